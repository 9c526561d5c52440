"""The perception-distortion plane (Blau and Michaeli, CVPR 2018): PSNR on x, a perceptual distance on y."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from math import isfinite

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator, StrMethodFormatter

from bench.report.family import FAMILY_MARKS
from bench.report.labels import Anchor, Boxes, place_labels
from bench.report.model import Family, MethodInfo, MetricInfo, Report
from bench.report.scores import axis_label, distortion_metric, perception_metrics
from bench.report.statistics import Estimate, Estimates, Interval, pareto
from bench.report.style import GREY, ONE_COLUMN, TWO_COLUMNS, legend_columns

DASHES = (0, (4, 2))
MAX_PANELS = 3
LOG_RATIO = 10.0
"""A positive distance whose largest value is this many times its smallest gets a logarithmic axis."""

PANEL_HEIGHT = 2.3

Point = tuple[Estimate, Estimate]
Line = tuple[tuple[float, float], tuple[float, float]]


def plane_figure(report: Report, estimates: Estimates) -> Figure | None:
    """A panel for each of up to three perceptual metrics; None when no two methods have both coordinates.

    Bars are the 95 % intervals over images, or one standard deviation over seeds for set metrics. The line is
    the Pareto front of all methods except the input.
    """
    x = distortion_metric(report)
    if x is None:
        return None
    panels = [(y, _points(report, estimates, x, y)) for y in perception_metrics(report)]
    panels = [(y, points) for y, points in panels if len(points) > 1][:MAX_PANELS]
    if not panels:
        return None
    width = ONE_COLUMN if len(panels) == 1 else TWO_COLUMNS
    figure = Figure(figsize=(width, PANEL_HEIGHT + 0.25), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False)[0]
    fronts = [_front(report.methods, points, (x, y)) for y, points in panels]
    for axes, (y, points), front in zip(grid, panels, fronts, strict=True):
        _draw_points(axes, report.methods, points)
        if len(front) > 1:
            axes.plot(*zip(*front, strict=True), color=GREY, linewidth=0.8, linestyle=DASHES, zorder=1)
        axes.set_xlabel(axis_label(x))
        # Above the axis: turned by 90 degrees, the arrow would point sideways.
        axes.set_title(axis_label(y), loc="left")
    families = dict.fromkeys(m.family for m in report.methods if any(m.label in points for _, points in panels))
    _draw_legend(figure, tuple(families), any(len(front) > 1 for front in fronts))
    # Labels need the final positions of the axes, which the layout fixes on drawing.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes, (_, points), front in zip(grid, panels, fronts, strict=True):
        _label_points(figure, axes, report.methods, points, front)
    return figure


def _points(report: Report, estimates: Estimates, x: MetricInfo, y: MetricInfo) -> dict[str, Point]:
    """Finite points by method label."""
    found = {}
    for method in report.methods:
        across, up = estimates.get((method.label, x.name)), estimates.get((method.label, y.name))
        if across is not None and up is not None and isfinite(across.value) and isfinite(up.value):
            found[method.label] = (across, up)
    return found


def _bounds(found: Estimate) -> Interval:
    spread = found.spread or 0.0
    return found.interval or (found.value - spread, found.value + spread)


def _draw_points(axes: Axes, methods: Sequence[MethodInfo], points: Mapping[str, Point]) -> None:
    axes.grid(True)
    axes.margins(0.14, 0.16)
    for method in methods:
        if method.label not in points:
            continue
        mark = FAMILY_MARKS[method.family]
        (x, y), bars = points[method.label], [_bounds(found) for found in points[method.label]]
        axes.plot(bars[0], (y.value, y.value), color=mark.colour, linewidth=0.7, alpha=0.55)
        axes.plot((x.value, x.value), bars[1], color=mark.colour, linewidth=0.7, alpha=0.55)
        axes.plot(x.value, y.value, mark.marker, color=mark.colour, markersize=4.5, zorder=3)
    lows = [_bounds(y)[0] for _, y in points.values()]
    if min(lows) > 0 and max(y.value for _, y in points.values()) / min(lows) > LOG_RATIO:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_locator(NullLocator())


def _front(
    methods: Sequence[MethodInfo], points: Mapping[str, Point], metrics: tuple[MetricInfo, MetricInfo]
) -> list[tuple[float, float]]:
    """Corners of what the front dominates: from each level to the x of the next, then to its y."""
    ranked = {method.label for method in methods if method.family != "input"}
    values = {label: (x.value, y.value) for label, (x, y) in points.items() if label in ranked}
    front = [values[label] for label in pareto(values, (metrics[0].direction, metrics[1].direction))]
    corners = front[:1]
    for (_, level), point in pairwise(front):
        corners += [(point[0], level), point]
    return corners


def _draw_legend(figure: Figure, families: Sequence[Family], with_front: bool) -> None:
    handles = []
    for family in families:
        mark = FAMILY_MARKS[family]
        handles.append(Line2D([], [], color=mark.colour, marker=mark.marker, markersize=4.5, ls="", label=family))
    if with_front:
        handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle=DASHES, label="Pareto front"))
    columns = legend_columns([str(handle.get_label()) for handle in handles], figure.get_figwidth())
    figure.legend(handles=handles, loc="outside upper center", ncols=columns, handletextpad=0.4, columnspacing=1.2)


def _label_points(
    figure: Figure,
    axes: Axes,
    methods: Sequence[MethodInfo],
    points: Mapping[str, Point],
    front: Sequence[tuple[float, float]],
) -> None:
    anchors = []
    lines: list[Line] = list(pairwise(front))
    for method in methods:
        if method.label in points:
            x, y = points[method.label]
            anchors.append(Anchor(x.value, y.value, method.label, FAMILY_MARKS[method.family].colour))
            lines += [((bound, y.value), (x.value, y.value)) for bound in _bounds(x)]
            lines += [((x.value, bound), (x.value, y.value)) for bound in _bounds(y)]
    place_labels(figure, axes, anchors, _line_boxes(axes, lines))


def _line_boxes(axes: Axes, lines: Sequence[Line]) -> Boxes:
    """Pixels covered by horizontal or vertical lines (n, 4)."""
    ends = axes.transData.transform(np.array(lines).reshape(-1, 2)).reshape(-1, 2, 2)
    return np.concatenate([ends.min(axis=1) - 1.5, ends.max(axis=1) + 1.5], axis=1)
