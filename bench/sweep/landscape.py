"""How objectives depend on fields: one at a time, and two."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from matplotlib.tri import Triangulation

from bench.report.style import GREY
from bench.sweep.axes import (
    COLUMNS,
    RED,
    coordinates,
    draw_legend,
    focus,
    limit_axis,
    objective_label,
    panels,
    results,
    scale_axis,
)
from bench.sweep.record import Record
from bench.sweep.space import short_names

FIELDS = 4
"""That are shown in pairs: the most important."""

LEVELS = 10
CONTOUR_HEIGHT = 2.0
"""Inches."""


def slice_figure(record: Record) -> Figure | None:
    """A panel for each objective and field, the best trials marked; None without complete trials."""
    if not record.complete:
        return None
    names = short_names(list(record.space))
    figure, grid = panels(len(names) * len(record.objectives), columns=min(COLUMNS, len(names)))
    cells = [(index, field) for index in range(len(record.objectives)) for field in record.space]
    for axes, (index, field) in zip(grid, cells, strict=True):
        dimension = record.space[field]
        axes.plot(
            coordinates(dimension, record.complete, field),
            results(record, index),
            "o",
            color=GREY,
            markersize=3,
            alpha=0.7,
        )
        marked = [trial.results[index] for trial in record.best]
        axes.plot(coordinates(dimension, record.best, field), marked, "D", color=RED, markersize=3.5)
        scale_axis(axes, "x", dimension)
        axes.set_xlabel(names[field])
        axes.set_title(objective_label(record.objectives[index]), loc="left")
        limit_axis(axes, "y", record, index)
    draw_legend(figure, record)
    return figure


def contour_figure(record: Record, importances: Sequence[Mapping[str, float]]) -> Figure | None:
    """A panel for each objective and pair of ranges, values between trials by linear interpolation; None without a pair whose
    trials span an area."""
    ranges = [field for field, dimension in record.space.items() if dimension.choices is None]
    weight = {field: sum(found[field] for found in importances) for field in ranges}
    chosen = sorted(ranges, key=lambda field: -weight[field])[:FIELDS]
    pairs = [pair for pair in combinations([f for f in ranges if f in chosen], 2) if _mesh(record, *pair) is not None]
    if not pairs:
        return None
    figure, grid = panels(len(pairs) * len(record.objectives), columns=3, height=CONTOUR_HEIGHT)
    cells = [(index, pair) for index in range(len(record.objectives)) for pair in pairs]
    for axes, (index, (x, y)) in zip(grid, cells, strict=True):
        _draw_contour(figure, axes, record, index, x, y)
    draw_legend(figure, record)
    return figure


def _draw_contour(figure: Figure, axes: Axes, record: Record, index: int, x: str, y: str) -> None:
    names, objective = short_names(list(record.space)), record.objectives[index]
    mesh = _mesh(record, x, y)
    assert mesh is not None
    bright = "cividis" if objective.direction == "up" else "cividis_r"  # better is brighter
    values = results(record, index)
    if np.ptp(values) > 0:
        low, high = focus(record, index) or (float(values.min()), float(values.max()))
        levels = np.linspace(low, high, LEVELS + 1)
        filled = axes.tricontourf(mesh, values, levels=levels, cmap=bright, extend="both")
        figure.colorbar(filled, ax=axes, aspect=30, pad=0.02, ticks=MaxNLocator(5))
    axes.plot(mesh.x, mesh.y, "o", color="white", markeredgecolor="black", markeredgewidth=0.4, markersize=2.5)
    marked = [coordinates(record.space[field], record.best, field) for field in (x, y)]
    axes.plot(*marked, "D", color=RED, markeredgecolor="white", markeredgewidth=0.4, markersize=4)
    scale_axis(axes, "x", record.space[x])
    scale_axis(axes, "y", record.space[y])
    axes.set_xlabel(names[x])
    axes.set_ylabel(names[y])
    axes.set_title(objective_label(objective), loc="left")


def _mesh(record: Record, x: str, y: str) -> Triangulation | None:
    """Triangles between the complete trials, made in the scale in which they were drawn; None where they lie on a line."""
    places = [coordinates(record.space[field], record.complete, field) for field in (x, y)]
    scaled = [np.log(p) if record.space[field].log else p for p, field in zip(places, (x, y), strict=True)]
    unit = [(s - s.min()) / (np.ptp(s) or 1.0) for s in scaled] if record.complete else scaled
    if len(np.unique(np.round(np.stack(unit), 9), axis=1).T) < 3:
        return None
    try:
        return Triangulation(places[0], places[1], triangles=Triangulation(unit[0], unit[1]).triangles)
    except (RuntimeError, ValueError):  # of points on a line
        return None
