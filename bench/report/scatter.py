"""Methods as points between two measures: panels with intervals, the Pareto front and a label at every point."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import log10

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis as MatplotlibAxis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from bench.report.family import FAMILY_MARKS
from bench.report.labels import Anchor, Boxes, place_labels
from bench.report.model import Direction, Family, MethodInfo
from bench.report.statistics import Estimate, pareto
from bench.report.style import GREY, ONE_COLUMN, TWO_COLUMNS, legend_columns

DASHES = (0, (4, 2))
DOTS = (0, (1, 1.5))
PANEL_HEIGHT = 2.3
MANY, PER_LABEL = 8, 0.09
"""Inches that each point beyond `MANY` adds: room for its label."""

LOG_RATIO = 10.0
"""A positive distance whose largest value is this many times its smallest gets a logarithmic axis."""

Line = tuple[tuple[float, float], tuple[float, float]]


@dataclass(frozen=True)
class Coordinate:
    """A value and the ends of its bar."""

    value: float
    low: float
    high: float


Point = tuple[Coordinate, Coordinate]


@dataclass(frozen=True)
class Measure:
    """What an axis shows. `log`: on a logarithmic scale, which takes positive values only."""

    label: str
    direction: Direction
    log: bool = False


@dataclass(frozen=True)
class Panel:
    """`points` by method label. `level` is the input's value on y, a line across, where the input is no point."""

    x: Measure
    y: Measure
    points: Mapping[str, Point]
    level: float | None = None


def quality(found: Estimate) -> Coordinate:
    """With its 95 % interval over images, or one standard deviation over seeds for metrics of a whole set."""
    spread = found.spread or 0.0
    return Coordinate(found.value, *(found.interval or (found.value - spread, found.value + spread)))


def spans_decades(coordinates: Sequence[Coordinate]) -> bool:
    lowest = min(each.low for each in coordinates)
    return lowest > 0 and max(each.value for each in coordinates) / lowest > LOG_RATIO


def scatter_figure(panels: Sequence[Panel], methods: Sequence[MethodInfo], note: str = "") -> Figure:
    """The panels side by side, one in one column. The front is that of all methods but the input; `note` stands below."""
    width = ONE_COLUMN if len(panels) == 1 else TWO_COLUMNS
    note = "\n".join(textwrap.wrap(note, int(width * 72 / 3.4)))
    crowd = max(len(panel.points) for panel in panels) - MANY
    height = PANEL_HEIGHT + PER_LABEL * min(max(0, crowd), 12) + 0.25 + 0.13 * len(note.splitlines())
    figure = Figure(figsize=(width, height), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    fronts = [_front(panel, methods) for panel in panels]
    for axes, panel, front in zip(grid, panels, fronts, strict=True):
        _draw_points(axes, panel, methods)
        if len(front) > 1:
            axes.plot(*zip(*front, strict=True), color=GREY, linewidth=0.8, linestyle=DASHES, zorder=1)
    if note:
        figure.supxlabel(note, fontsize=7, color=GREY)
    families = tuple(dict.fromkeys(m.family for m in methods if any(m.label in panel.points for panel in panels)))
    _draw_legend(figure, families, any(len(front) > 1 for front in fronts), any(p.level is not None for p in panels))
    # Labels need the final positions of the axes, which the layout fixes on drawing.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, panel, front in zip(grid, panels, fronts, strict=True):
        _label_points(figure, axes, panel, methods, front)
    return figure


def _draw_points(axes: Axes, panel: Panel, methods: Sequence[MethodInfo]) -> None:
    axes.grid(True)
    axes.margins(0.14, 0.16)
    axes.set_xlabel(panel.x.label)
    # Above the axis: turned by 90 degrees, the arrow would point sideways.
    axes.set_title(panel.y.label, loc="left")
    if panel.level is not None:
        axes.axhline(panel.level, color=GREY, linewidth=0.9, linestyle=DOTS, zorder=1)
    for method in methods:
        if method.label not in panel.points:
            continue
        mark = FAMILY_MARKS[method.family]
        x, y = panel.points[method.label]
        axes.plot((x.low, x.high), (y.value, y.value), color=mark.colour, linewidth=0.7, alpha=0.55)
        axes.plot((x.value, x.value), (y.low, y.high), color=mark.colour, linewidth=0.7, alpha=0.55)
        axes.plot(x.value, y.value, mark.marker, color=mark.colour, markersize=4.5, zorder=3)
    if panel.x.log:
        axes.set_xscale("log")
        _tick_decades(axes.xaxis, [x for x, _ in panel.points.values()])
    if panel.y.log:
        axes.set_yscale("log")
        _tick_decades(axes.yaxis, [y for _, y in panel.points.values()])


def _tick_decades(axis: MatplotlibAxis, coordinates: Sequence[Coordinate]) -> None:
    """Plain numbers, more of them the less the values span."""
    decades = log10(max(each.high for each in coordinates) / min(each.low for each in coordinates))
    steps = (1, 1.5, 2, 3, 4, 5, 7) if decades < 0.8 else (1, 2, 5) if decades < 2.5 else (1,)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axis.set_minor_locator(NullLocator())


def _front(panel: Panel, methods: Sequence[MethodInfo]) -> list[tuple[float, float]]:
    """Corners of what the front dominates: from each level to the x of the next, then to its y."""
    ranked = {method.label for method in methods if method.family != "input"}
    values = {label: (x.value, y.value) for label, (x, y) in panel.points.items() if label in ranked}
    front = [values[label] for label in pareto(values, (panel.x.direction, panel.y.direction))]
    corners = front[:1]
    for (_, level), point in pairwise(front):
        corners += [(point[0], level), point]
    return corners


def _draw_legend(figure: Figure, families: Sequence[Family], with_front: bool, with_level: bool) -> None:
    handles = []
    for family in families:
        mark = FAMILY_MARKS[family]
        handles.append(Line2D([], [], color=mark.colour, marker=mark.marker, markersize=4.5, ls="", label=family))
    if with_level:
        handles.append(Line2D([], [], color=GREY, linewidth=0.9, linestyle=DOTS, label="input"))
    if with_front:
        handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=DASHES, label="Pareto front"))
    columns = legend_columns([str(handle.get_label()) for handle in handles], figure.get_figwidth())
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, handletextpad=0.4, columnspacing=1.2)


def _label_points(
    figure: Figure, axes: Axes, panel: Panel, methods: Sequence[MethodInfo], front: Sequence[tuple[float, float]]
) -> None:
    anchors = []
    lines: list[Line] = list(pairwise(front))
    if panel.level is not None:
        left, right = axes.get_xlim()
        lines.append(((left, panel.level), (right, panel.level)))
    for method in methods:
        if method.label in panel.points:
            x, y = panel.points[method.label]
            anchors.append(Anchor(x.value, y.value, method.label, FAMILY_MARKS[method.family].colour))
            lines += [((x.low, y.value), (x.high, y.value)), ((x.value, y.low), (x.value, y.high))]
    place_labels(figure, axes, anchors, _line_boxes(axes, lines))


def _line_boxes(axes: Axes, lines: Sequence[Line]) -> Boxes:
    """Pixels covered by horizontal or vertical lines (n, 4)."""
    ends = axes.transData.transform(np.array(lines).reshape(-1, 2)).reshape(-1, 2, 2)
    return np.concatenate([ends.min(axis=1) - 1.5, ends.max(axis=1) + 1.5], axis=1)
