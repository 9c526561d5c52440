"""The look of every figure, and the only way from a figure to bytes.

Figures are `matplotlib.figure.Figure` objects, made without pyplot and without lasting changes to rcParams:
build and render them inside `with figure_style():`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final, Literal, TypeAlias

import matplotlib as mpl
from matplotlib.figure import Figure

ONE_COLUMN: Final = 3.3
TWO_COLUMNS: Final = 6.9
"""Widths in inches on a two-column page (WACV, CVPR), so that a figure is included at scale 1."""

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours without the yellow that vanishes on white."""

GREY: Final = "#7F7F7F"

Format: TypeAlias = Literal["png", "pdf"]

_RC: Final[dict[Any, Any]] = {
    # Both ship with matplotlib: the same glyphs, hence the same bytes, on every machine.
    "font.family": ["STIXGeneral", "DejaVu Sans"],
    "text.parse_math": False,  # a dollar sign in a method's name is a dollar sign
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.linewidth": 0.4,
    "grid.color": "#E3E3E3",
    "lines.linewidth": 1.1,
    "pdf.fonttype": 42,  # TrueType, which submission systems ask for
    "image.composite_image": False,
}


@contextmanager
def figure_style() -> Iterator[None]:
    """This project's settings over matplotlib's defaults, whatever the user's own matplotlibrc says."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_RC)
        yield


def render_figure(figure: Figure, file_format: Format) -> bytes:
    """The file, 200 dpi (PNG) or vectors (PDF), without dates or versions: equal figures, equal bytes."""
    metadata = {"png": {"Software": None}, "pdf": {"Creator": None, "Producer": None, "CreationDate": None}}
    content = io.BytesIO()
    # 300 dpi in the PDF concerns embedded pictures only.
    dpi = {"png": 200, "pdf": 300}[file_format]
    figure.savefig(content, format=file_format, dpi=dpi, metadata=metadata[file_format])
    return content.getvalue()


def legend_columns(labels: Sequence[str], width: float) -> int:
    """How many legend entries fit side by side in `width` inches: 3.6 pt per letter, 34 pt per handle."""
    return max(1, min(len(labels), int(width * 72 / (max(map(len, labels), default=1) * 3.6 + 34))))
