"""How a study went: the front, the objectives and the dominated volume over trials, what mattered."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from itertools import combinations, pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bench.report.labels import Anchor, place_labels
from bench.report.style import GREY
from bench.sweep.axes import BLUE, RED, beyond, draw_legend, limit_axis, objective_label, panels, results
from bench.sweep.front import hypervolumes, reference_point
from bench.sweep.record import Record
from bench.sweep.space import short_names

MOST_LABELS = 12
SQUARE = 2.4
"""Inches."""


def pareto_figure(record: Record) -> Figure | None:
    """Every pair of objectives: all complete trials, those of the front with their numbers; None for a single objective."""
    pairs = list(combinations(range(len(record.objectives)), 2))
    if not pairs or not record.complete:
        return None
    figure, grid = panels(len(pairs), columns=3, height=SQUARE)
    for axes, (x, y) in zip(grid, pairs, strict=True):
        _draw_pair(axes, record, x, y)
    draw_legend(figure, record)
    # Labels need the final positions of the axes, which the layout fixes on drawing.
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    if len(record.best) <= MOST_LABELS:
        for axes, (x, y) in zip(grid, pairs, strict=True):
            anchors = [Anchor(t.results[x], t.results[y], str(t.number), RED) for t in record.best]
            place_labels(figure, axes, anchors, np.zeros((0, 4)))
    return figure


def _draw_pair(axes: Axes, record: Record, x: int, y: int) -> None:
    axes.margins(0.12, 0.14)
    axes.set_xlabel(objective_label(record.objectives[x]))
    axes.set_title(objective_label(record.objectives[y]), loc="left")
    axes.plot(results(record, x), results(record, y), "o", color=GREY, markersize=3, alpha=0.6)
    front = [(trial.results[x], trial.results[y]) for trial in record.best]
    axes.plot(*zip(*front, strict=True), "D", color=RED, markersize=4, zorder=3)
    if len(record.objectives) == 2:
        corners = front[:1]
        for (_, level), point in pairwise(front):
            corners += [(point[0], level), point]
        axes.plot(*zip(*corners, strict=True), color=RED, linewidth=0.8, zorder=1)
    limit_axis(axes, "x", record, x)
    limit_axis(axes, "y", record, y)


def history_figure(record: Record) -> Figure | None:
    """Each objective over trials with the best so far and, of several, the volume that the front dominates."""
    if not record.complete:
        return None
    several = len(record.objectives) > 1
    reference = reference_point(record.costs)
    sentences = [_reference_note(record, reference)] if several else []
    sentences += [f"Trials beyond the axes: {lost}."] if (lost := beyond(record)) else []
    note = "\n".join(textwrap.wrap(" ".join(sentences), 120))
    figure, grid = panels(len(record.objectives) + several, extra=0.13 * len(note.splitlines()))
    numbers = [trial.number for trial in record.complete]
    for index, (axes, objective) in enumerate(zip(grid, record.objectives, strict=False)):
        values = results(record, index)
        best = np.maximum.accumulate(values) if objective.direction == "up" else np.minimum.accumulate(values)
        axes.plot(numbers, values, "o", color=GREY, markersize=3, alpha=0.7)
        axes.step(numbers, best, where="post", color=BLUE)
        axes.set_title(objective_label(objective), loc="left")
        limit_axis(axes, "y", record, index)
        _mark_lost(axes, record)
    if several:
        grid[-1].step(numbers, hypervolumes(record.costs, reference), where="post", color=BLUE)
        grid[-1].set_title("Hypervolume ↑", loc="left")
    for axes in grid:
        axes.set_xlabel("Trial")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    if note:
        figure.supxlabel(note, fontsize=7, color=GREY)
    return figure


def _mark_lost(axes: Axes, record: Record) -> None:
    """Crosses below, where trials were pruned or failed."""
    lost = [trial.number for trial in record.trials if trial.state in ("pruned", "failed")]
    axes.plot(lost, [0.02] * len(lost), "x", color=RED, markersize=3, transform=axes.get_xaxis_transform())


def _reference_note(record: Record, reference: NDArray[np.float64]) -> str:
    pairs = zip(record.objectives, reference, strict=True)
    point = ", ".join(f"{each.label} {cost * each.sign:.{each.decimals}f}" for each, cost in pairs)
    return f"Hypervolume against the worst values of all trials and a tenth of their range: {point}."


def importance_figure(record: Record, importances: Sequence[Mapping[str, float]]) -> Figure | None:
    """A panel for each objective with the share of each field; None where there are too few trials to tell."""
    if not importances:
        return None
    names = short_names(list(record.space))
    height = 0.45 + 0.22 * len(names)
    figure, grid = panels(len(importances), columns=3, height=height)
    fields = sorted(names, key=lambda field: sum(found[field] for found in importances))
    for axes, objective, found in zip(grid, record.objectives, importances, strict=True):
        axes.barh([names[field] for field in fields], [found[field] for field in fields], color=BLUE, height=0.6)
        axes.set_xlim(0, 1)
        axes.grid(False, axis="y")
        axes.set_title(objective.label, loc="left")
        axes.set_xlabel("Importance")
    for axes in grid[1:]:
        axes.set_yticklabels([])
    return figure
