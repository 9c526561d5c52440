"""Panels of one metric each, side by side, over the same rows, whose names stand at the left."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.report.style import GREY, ONE_COLUMN, TWO_COLUMNS, legend_columns

MAX_COLUMNS = 4
LETTERS = (24, 34)
"""That a line of a name holds, beside one panel and beside several."""

NAME_LINE, LEGEND_LINE, NOTE_LINE = 0.11, 0.16, 0.13
FRAME = 0.6
"""Inches: for each further line of a name, each line of the legend and of the note, a panel's title and axis."""


@dataclass(frozen=True)
class RowName:
    text: str
    colour: str = "black"
    bold: bool = False


def panel_grid(
    names: Sequence[RowName], count: int, row_height: float, legend: Sequence[Artist], note: str = ""
) -> tuple[Figure, list[Axes]]:
    """A figure, one column wide for a single panel, with `count` panels in balanced lines; row i is at y = i, downwards.

    The legend's handles stand above, the note below the panels. `row_height` is in inches.
    """
    lines = ceil(count / MAX_COLUMNS)
    columns = ceil(count / lines)
    width = ONE_COLUMN if columns == 1 else TWO_COLUMNS
    texts = [textwrap.fill(name.text, LETTERS[columns > 1]) for name in names]
    tall = row_height + NAME_LINE * max(text.count("\n") for text in texts)
    entries = legend_columns([str(handle.get_label()) for handle in legend], width)
    notes = textwrap.wrap(note, int(width * 72 / 3.3))
    around = LEGEND_LINE * ceil(len(legend) / entries) + NOTE_LINE * len(notes)
    figure = Figure(figsize=(width, lines * (tall * len(names) + FRAME) + around), layout="constrained")
    figure.legend(
        handles=legend,
        loc="outside upper center",
        ncols=entries,
        handletextpad=0.4,
        columnspacing=1.2,
        handlelength=1.4,
    )
    if notes:
        figure.supxlabel("\n".join(notes), fontsize=7, color=GREY)
    grid = figure.subplots(lines, columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.set_yticks([])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.grid(True, axis="x")
    for axes in grid[:, 0]:
        axes.set_yticks(range(len(names)), texts)
        for name, label in zip(names, axes.get_yticklabels(), strict=True):
            label.set(weight="bold" if name.bold else "normal", color=name.colour)
    for axes in grid.ravel()[count:]:
        axes.remove()
    return figure, list(grid.ravel()[:count])


def write_beside(axes: Axes, y: float, text: str, colour: str = "black") -> None:
    """A number at the right of a panel, at the height of row `y`."""
    axes.text(1.03, y, text, transform=axes.get_yaxis_transform(), va="center", fontsize=7, color=colour)


def signed(value: float, decimals: int) -> str:
    """`+1.20` or the same with a minus sign, as wide as the plus; what rounds to zero is `+0.00`."""
    return f"{round(value, decimals) + 0.0:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")
