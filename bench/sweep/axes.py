"""Fields and objectives on the axes of figures."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullFormatter, StrMethodFormatter
from numpy.typing import NDArray

from bench.report.scores import ARROWS
from bench.report.style import GREY, ONE_COLUMN, PALETTE, TWO_COLUMNS
from bench.sweep.config import Dimension
from bench.sweep.objectives import Objective
from bench.sweep.record import Record, Tried
from bench.sweep.space import as_parameter

BLUE, RED = PALETTE[:2]
COLUMNS = 4
PANEL_HEIGHT = 1.6
"""Inches."""

REACH = 3.0
"""Times the distance from the best trial to the middle one: as far as axes go where others lie far beyond."""

LETTERS = 10
"""Of a choice, below its place on an axis."""


def objective_label(objective: Objective) -> str:
    return f"{objective.label} {ARROWS[objective.direction]}"


def panels(
    count: int, columns: int = COLUMNS, height: float = PANEL_HEIGHT, extra: float = 0.0
) -> tuple[Figure, Sequence[Axes]]:
    """A figure of `count` panels in lines of at most `columns`, one column of a page wide for a single one; `extra` inches for
    what stands around them."""
    lines = ceil(count / columns)
    columns = ceil(count / lines)
    width = ONE_COLUMN if columns == 1 else TWO_COLUMNS
    figure = Figure(figsize=(width, height * lines + 0.25 + extra), layout="constrained")
    grid = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in grid[count:]:
        axes.remove()
    for axes in grid[:count]:
        axes.grid(True)
    return figure, list(grid[:count])


def draw_legend(figure: Figure, record: Record) -> None:
    """Which marks are the best trials."""
    best = "Pareto front" if len(record.objectives) > 1 else f"best {len(record.best)}"
    handles = [
        Line2D([], [], color=RED, marker="D", markersize=4, ls="", label=best),
        Line2D([], [], color=GREY, marker="o", markersize=3, ls="", label="other trials"),
    ]
    if lost := beyond(record):
        handles.append(Line2D([], [], ls="", label=f"{lost} beyond the axes"))
    figure.legend(handles=handles, loc="outside upper center", ncols=len(handles), handletextpad=0.4, columnspacing=1.2)


def coordinates(dimension: Dimension, trials: Sequence[Tried], field: str) -> NDArray[np.float64]:
    """Where trials stand on the axis of a field (trials,): its values, or the places of its choices."""
    return np.array([_place(dimension, trial.parameters[field]) for trial in trials], dtype=np.float64)


def _place(dimension: Dimension, parameter: Any) -> float:
    if dimension.choices is None:
        return float(parameter)
    return float([as_parameter(value) for value in dimension.choices].index(parameter))


def scale_axis(axes: Axes, which: Literal["x", "y"], dimension: Dimension) -> None:
    """The range that was searched: logarithmic as it was, choices by name."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    if dimension.choices is not None:
        names = [_clipped(str(as_parameter(value))) for value in dimension.choices]
        axis.set_ticks(range(len(names)), names)
        axes.set(**{f"{which}lim": (-0.5, len(names) - 0.5)})
        return
    assert dimension.low is not None
    assert dimension.high is not None
    if dimension.log:
        axes.set(**{f"{which}scale": "log"})
        axis.set_major_formatter(StrMethodFormatter("{x:g}"))  # the default writes mathematics, which is off
        axis.set_minor_formatter(NullFormatter())
        margin = (dimension.high / dimension.low) ** 0.04
        axes.set(**{f"{which}lim": (dimension.low / margin, dimension.high * margin)})
    else:
        margin = 0.04 * (dimension.high - dimension.low)
        axes.set(**{f"{which}lim": (dimension.low - margin, dimension.high + margin)})


def _clipped(text: str) -> str:
    return text if len(text) <= LETTERS else f"{text[: LETTERS - 1]}…"


def results(record: Record, index: int) -> NDArray[np.float64]:
    """One objective of the complete trials (trials,)."""
    return np.array([trial.results[index] for trial in record.complete])


def focus(record: Record, index: int) -> tuple[float, float] | None:
    """The values of an objective that axes show, where trials gone wrong would flatten all others; None where all fit."""
    costs = record.costs[:, index]
    best, worst = costs.min(), costs.max()
    far = costs[costs <= best + REACH * (np.median(costs) - best)].max()
    if worst - best <= 2 * (far - best):
        return None
    margin = 0.1 * (far - best)
    low, high = sorted(
        (record.objectives[index].sign * (best - margin), record.objectives[index].sign * (far + margin))
    )
    return float(low), float(high)


def limit_axis(axes: Axes, which: Literal["x", "y"], record: Record, index: int) -> None:
    """To the focus of an objective, if it has one."""
    if (limits := focus(record, index)) is not None:
        axes.set(**{f"{which}lim": limits})


def beyond(record: Record) -> int:
    """How many complete trials lie beyond some objective's axis."""
    outside = np.zeros(len(record.complete), dtype=bool)
    for index in range(len(record.objectives)):
        if record.complete and (limits := focus(record, index)) is not None:
            values = results(record, index)
            outside |= (values < limits[0]) | (values > limits[1])
    return int(outside.sum())
