"""Outside the training distribution: how far each method's numbers move, beside how far the input's own move."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from bench.report.family import FAMILY_MARKS
from bench.report.model import MethodInfo, MetricInfo, Report
from bench.report.panelgrid import RowName, panel_grid, signed, write_beside
from bench.report.scatter import Coordinate, quality
from bench.report.scores import axis_label
from bench.report.statistics import Estimates, estimate_rows
from bench.report.style import GREY

MARKERS = ("o", "s", "^", "D", "v")
"""Of the other test sets, hollow; further sets start over."""

LINE, SET_LINE = 0.07, 0.13
"""Inches: between rows, and for each other test set in them."""

LESS = ", less the input's change (in parentheses)"

Values = Mapping[str, Coordinate]
"""By method label, those that are finite."""


def ood_figure(report: Report, estimates: Estimates) -> Figure | None:
    """A panel for each metric that another test set has, too: a line for each method and set, from the main set's value.

    A tick says where the method would be had it moved as the input did; the number beside is the method's change less
    the input's. None without other test sets.
    """
    tests = {part.test: estimate_rows(part.rows) for part in report.ood}
    panels = []
    for metric in report.metrics:
        here, there = _values(estimates, metric), {test: _values(found, metric) for test, found in tests.items()}
        if any(here.keys() & values.keys() for values in there.values()):
            panels.append((metric, here, there))
    methods = [m for m in report.methods if any(m.label in here for _, here, _ in panels)]
    if not panels:
        return None
    source = next((method.label for method in methods if method.family == "input"), None)
    names = [RowName(method.label, FAMILY_MARKS[method.family].colour) for method in methods]
    legend = _legend(report.test, tuple(tests), methods, source is not None)
    note = f"Beside: change from {report.test} to the other set{'' if source is None else LESS}"
    figure, grid = panel_grid(names, len(panels), LINE + SET_LINE * len(tests), legend, note)
    for axes, (metric, here, there) in zip(grid, panels, strict=True):
        _draw_panel(axes, methods, metric, here, there, source)
    return figure


def _values(estimates: Estimates, metric: MetricInfo) -> Values:
    return {
        label: quality(found)
        for (label, name), found in estimates.items()
        if name == metric.name and isfinite(found.value)
    }


def _draw_panel(
    axes: Axes,
    methods: Sequence[MethodInfo],
    metric: MetricInfo,
    here: Values,
    there: Mapping[str, Values],
    source: str | None,
) -> None:
    axes.set_title(axis_label(metric), loc="left")
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    for k, (values, marker) in enumerate(zip(there.values(), MARKERS * len(there), strict=False)):
        drift = None if source is None or source not in here else _change(here, values, source)
        for i, method in enumerate(methods):
            change = _change(here, values, method.label)
            if change is None:
                continue
            y = i + SET_LINE * (k - (len(there) - 1) / 2) / (LINE + SET_LINE * len(there))
            colour = FAMILY_MARKS[method.family].colour
            _draw_move(axes, y, here[method.label], values[method.label], colour, marker)
            if drift is not None and method.label != source:
                axes.plot(here[method.label].value + drift, y, "|", color="black", markersize=6, zorder=4)
                write_beside(axes, y, signed(change - drift, metric.decimals))
            else:
                write_beside(axes, y, f"({signed(change, metric.decimals)})", GREY)
    axes.margins(x=0.06)


def _change(here: Values, there: Values, label: str) -> float | None:
    return there[label].value - here[label].value if label in here and label in there else None


def _draw_move(axes: Axes, y: float, start: Coordinate, end: Coordinate, colour: str, marker: str) -> None:
    axes.plot((start.value, end.value), (y, y), color=colour, linewidth=1.6, alpha=0.4, zorder=1)
    for at in (start, end):
        axes.plot((at.low, at.high), (y, y), color=colour, linewidth=0.7, zorder=2)
    axes.plot(start.value, y, "o", color=colour, markersize=3.5, zorder=3)
    axes.plot(end.value, y, marker, color=colour, markersize=4, markerfacecolor="white", zorder=3)


def _legend(test: str, others: Sequence[str], methods: Sequence[MethodInfo], with_input: bool) -> list[Artist]:
    main = Line2D([], [], color="black", marker="o", markersize=3.5, ls="", label=test)
    hollow = [_hollow(marker, name) for name, marker in zip(others, MARKERS * len(others), strict=False)]
    tick = [Line2D([], [], color="black", marker="|", ls="", label="moved as the input")] if with_input else []
    families = dict.fromkeys(method.family for method in methods if method.family != "input")
    patches = [Patch(color=FAMILY_MARKS[family].colour, linewidth=0, label=family) for family in families]
    return [main, *hollow, *tick, *patches]


def _hollow(marker: str, label: str) -> Line2D:
    return Line2D([], [], color="black", marker=marker, markersize=4, markerfacecolor="white", ls="", label=label)
