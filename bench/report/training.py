"""Training curves: one panel per logged quantity, one line per job."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator, NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from bench.report.style import PALETTE, TWO_COLUMNS, legend_columns

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = 3
PANEL_HEIGHT = 1.5
SMOOTH_FROM = 50
"""Points from which the raw curve is drawn pale below its running mean."""

LOG_RATIO = 20.0
"""A positive quantity whose 99th percentile is this many times its 1st gets a logarithmic axis."""


@dataclass(frozen=True)
class Curve:
    """One job's values of one quantity, finite and ordered by step."""

    label: str
    steps: NDArray[np.float64]
    values: NDArray[np.float64]


@dataclass(frozen=True)
class Look:
    """A line's colour and dashes; more labels than colours start over with another dash."""

    colour: str
    dashes: str


def look(index: int) -> Look:
    return Look(PALETTE[index % len(PALETTE)], ("-", "--", ":")[index // len(PALETTE) % 3])


def training_figure(curves: pd.DataFrame) -> Figure | None:
    """A panel for each `name`, a line for each job, coloured by label; None without finite values."""
    panels = collect_curves(curves)
    if not panels:
        return None
    labels = list(dict.fromkeys(curve.label for lines in panels.values() for curve in lines))
    looks = {label: look(i) for i, label in enumerate(labels)}
    columns = min(COLUMNS, len(panels))
    rows = ceil(len(panels) / columns)
    width = TWO_COLUMNS * columns / COLUMNS
    figure = Figure(figsize=(width, PANEL_HEIGHT * rows + 0.3), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, lines) in zip(grid, panels.items(), strict=False):
        _draw_panel(axes, name, lines, looks)
    for axes in grid[len(panels) :]:
        axes.remove()
    figure.supxlabel("Step", fontsize=8)
    handles = [Line2D([], [], label=label, color=looks[label].colour, ls=looks[label].dashes) for label in looks]
    figure.legend(handles=handles, loc="outside upper center", ncols=legend_columns(labels, width))
    return figure


def collect_curves(curves: pd.DataFrame) -> dict[str, list[Curve]]:
    """Curves by quantity. Values that are not finite are dropped: a diverged job's curve ends there."""
    found: dict[str, dict[tuple[str, str], list[tuple[float, float]]]] = {}
    columns = ["name", "label", "job", "step", "value"]
    for name, label, job, step, value in curves[columns].itertuples(index=False, name=None):
        if np.isfinite(value):
            lines = found.setdefault(str(name), {})
            lines.setdefault((str(label), str(job)), []).append((float(step), float(value)))
    return {
        name: [Curve(label, *np.array(sorted(points)).T) for (label, _), points in lines.items()]
        for name, lines in found.items()
    }


def _draw_panel(axes: Axes, name: str, lines: Sequence[Curve], looks: Mapping[str, Look]) -> None:
    axes.set_title(name.replace("(", "\n("), loc="left")  # `player/term(features)` is wider than a panel
    axes.grid(True)
    for curve in lines:
        style = looks[curve.label]
        many = len(curve.steps) >= SMOOTH_FROM
        if many:
            axes.plot(curve.steps, curve.values, color=style.colour, linewidth=0.5, alpha=0.25)
        values = running_mean(curve.values, len(curve.values) // 25) if many else curve.values
        marker = "" if many else "."
        axes.plot(curve.steps, values, color=style.colour, ls=style.dashes, marker=marker, markersize=3)
    low, high = np.quantile(np.concatenate([curve.values for curve in lines]), [0.01, 0.99])
    if low > 0 and high / low > LOG_RATIO:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))  # the default writes mathematics, which is off
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_locator(MaxNLocator(4))


def running_mean(values: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    """Mean over `width` values on either side, over fewer at the ends (n,)."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    first, last = np.maximum(index - width, 0), np.minimum(index + width + 1, len(values))
    means: NDArray[np.float64] = (sums[last] - sums[first]) / (last - first)
    return means
