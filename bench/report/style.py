"""The look of every figure, and the only way from a figure to bytes.

Figures are `matplotlib.figure.Figure` objects, made without pyplot and without lasting changes to rcParams:
build and render them inside `with figure_style():`.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import matplotlib as mpl
from matplotlib.figure import Figure

ONE_COLUMN: Final = 3.3
TWO_COLUMNS: Final = 6.9
"""Widths in inches on a two-column page (WACV, CVPR), so that a figure is included at scale 1."""

PAGE_HEIGHT: Final = 8.3
"""Inches: what a page of the same templates leaves above a caption of three lines."""

PALETTE: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Okabe and Ito's colours without the yellow that vanishes on white."""

PICTURE_DPI: Final = 800.0
"""Eight pictures of 512 px side by side keep their pixels; figures of 4K images would weigh hundreds of megabytes."""

GREY: Final = "#7F7F7F"

Format: TypeAlias = Literal["png", "pdf", "svg"]

_METADATA: Final[Mapping[Format, Mapping[str, None]]] = MappingProxyType(
    {
        "png": {"Software": None},
        "pdf": {"Creator": None, "Producer": None, "CreationDate": None},
        "svg": {"Creator": None, "Date": None, "Format": None, "Type": None},
    }
)

_RC: Final[dict[Any, Any]] = {
    # Both ship with matplotlib: the same glyphs, hence the same bytes, on every machine.
    "font.family": ["STIXGeneral", "DejaVu Sans"],
    "text.parse_math": False,  # a dollar sign in a method's name is a dollar sign
    "mathtext.fontset": "stix",
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
    "svg.fonttype": "path",
    "svg.hashsalt": "ugpnet-bench",
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
    """The file: 200 dpi (PNG) or vectors (PDF, SVG), without dates or versions; equal figures, equal bytes.

    Pictures in vector files keep their pixels, up to `PICTURE_DPI`. The text of an SVG is outlines, because browsers lack
    these fonts and labels stand where these fonts' letters fit.
    """
    content = io.BytesIO()
    dpi = 200.0 if file_format == "png" else _picture_dpi(figure)
    figure.savefig(content, format=file_format, dpi=dpi, metadata=dict(_METADATA[file_format]))
    return content.getvalue()


def _picture_dpi(figure: Figure) -> float:
    """Pixels per inch of the finest picture shown, between 300 and `PICTURE_DPI`."""
    finest = 300.0
    for axes in figure.axes:
        for picture in axes.images:
            left, right = picture.get_extent()[:2]
            low, high = axes.get_xlim()
            shown = picture.get_size()[1] * (high - low) / (right - left)
            finest = max(finest, shown / (axes.get_position().width * figure.get_figwidth()))
    return min(finest, PICTURE_DPI)


def legend_columns(labels: Sequence[str], width: float) -> int:
    """How many legend entries fit side by side in `width` inches: 3.6 pt per letter, 34 pt per handle."""
    widths = [len(label) * 3.6 + 34 for label in labels] or [0.0]
    if sum(widths) <= width * 72:
        return max(1, len(labels))
    return max(1, min(len(labels), int(width * 72 / max(widths))))
