"""The table for a terminal. A narrow one gets fewer details rather than broken lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

from rich.box import SIMPLE_HEAD
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from bench.report.family import FAMILY_MARKS
from bench.report.table import (
    Cell,
    Column,
    Row,
    Table,
    format_interval,
    format_reference,
    format_spread,
    format_star,
    format_value,
    missing,
    superscript,
)

ARROWS = {"up": " ↑", "down": " ↓", None: ""}
STYLES = {"best": "bold", "second": "underline", "better": "bold green", "worse": "red", None: ""}


Detail: TypeAlias = Literal["interval", "spread", "mean"]
"""What stands below each mean: the interval, else the spread over seeds, else nothing."""


class ConsoleTable:
    """The table, n/a reasons, legend, remarks and footnotes. Labels are never read as markup."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for body in _bodies(self._table):
            if Measurement.get(console, options.update(max_width=10_000), body).maximum <= options.max_width:
                break
        yield Group(body, *_below(self._table))


def render_console(table: Table) -> ConsoleTable:
    """For `console.print`."""
    return ConsoleTable(table)


def _bodies(table: Table) -> Iterator[RichTable]:
    """From the most detailed to the narrowest, which has no cost columns."""
    details: tuple[Detail, ...] = ("interval", "spread", "mean")
    for detail in details:
        yield _body(table, range(len(table.columns)), detail)
    yield _body(table, [i for i, column in enumerate(table.columns) if column.group != "cost"], "mean")


def _body(table: Table, shown: Sequence[int], detail: Detail) -> RichTable:
    body = RichTable(
        title=Text(table.name), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    body.add_column("Method", no_wrap=True, vertical="top")
    for i in shown:
        body.add_column(_header(table.columns[i]), justify="right", no_wrap=True)
    for row in table.rows:
        if row.base:
            body.add_section()
        body.add_row(_label(row), *(_cell(row.cells[i], table.columns[i], detail) for i in shown))
    return body


def _header(column: Column) -> Text:
    name, _, unit = column.label.partition(" (")
    return Text(name + ARROWS[column.direction] + superscript(column.notes) + (f"\n({unit}" if unit else ""))


def _label(row: Row) -> Text:
    mark = FAMILY_MARKS[row.family]
    return Text.assemble((mark.glyph, mark.colour), f" {row.title}{superscript(row.notes)}")


def _cell(cell: Cell, column: Column, detail: Detail) -> Text:
    found, published = cell.estimate, format_reference(cell, column.decimals)
    if found is None:
        return Text(f"{missing(column)}{superscript(cell.notes)} {published}".rstrip(), "dim")
    text = Text.assemble((format_value(cell, column.decimals), STYLES[cell.mark]), format_star(cell))
    spread = format_spread(found, column.decimals)
    if detail == "interval" and spread:
        text.append(f" {spread}")
    text.append(superscript(cell.notes))
    text.append(f" {published}" if published else "", "dim")
    below = {"interval": format_interval(found, column.decimals), "spread": spread, "mean": ""}[detail]
    if below:
        text.append(f"\n{below}", "dim")
    return text


def _below(table: Table) -> list[Text]:
    lines = [Text(f"{row.label}: n/a: {row.reason}", "yellow") for row in table.rows if row.reason is not None]
    legend = [Text.assemble((FAMILY_MARKS[f].glyph, FAMILY_MARKS[f].colour), f" {f}") for f in table.families()]
    lines += [Text("   ").join(legend)] if legend else []
    if table.remarks:
        lines.append(Text(" ".join(table.remarks), "dim"))
    lines += [Text(f"{superscript((i,))} {note}", "dim") for i, note in enumerate(table.footnotes, start=1)]
    return lines
