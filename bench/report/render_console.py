"""The table for a terminal. A narrow one gets fewer details rather than broken lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True)
class Layout:
    """How much is shown. `detail`: what stands below each mean, the interval, else the spread over seeds, else nothing;
    `published`: where values of others stand; `costs` and `empty`: the columns of costs, and those without any value."""

    detail: Literal["interval", "spread", "mean"] = "mean"
    published: Literal["beside", "below", "nowhere"] = "beside"
    costs: bool = True
    empty: bool = True

    def shows(self, table: Table, index: int) -> bool:
        """Whether the table's column has a place."""
        if not self.costs and table.columns[index].group == "cost":
            return False
        return self.empty or any(row.cells[index].estimate is not None for row in table.rows)


LAYOUTS = (
    Layout("interval"), Layout("spread"), Layout(), Layout(published="below"),
    Layout(costs=False), Layout(published="below", costs=False), Layout(published="below", costs=False, empty=False),
    Layout(published="nowhere", costs=False, empty=False),
)  # fmt: skip
"""From the most detailed to the narrowest."""


class ConsoleTable:
    """The table, n/a reasons, legend, remarks and footnotes. Labels are never read as markup."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for layout in LAYOUTS:
            body = _body(self._table, layout)
            if Measurement.get(console, options.update(max_width=10_000), body).maximum <= options.max_width:
                break
        yield Group(body, *_below(self._table))


def render_console(table: Table) -> ConsoleTable:
    """For `console.print`."""
    return ConsoleTable(table)


def _body(table: Table, layout: Layout) -> RichTable:
    shown = [i for i in range(len(table.columns)) if layout.shows(table, i)]
    body = RichTable(
        title=Text(table.name), title_justify="left", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0)
    )
    body.add_column("Method", no_wrap=True, vertical="top")
    for i in shown:
        body.add_column(_header(table.columns[i]), justify="right", no_wrap=True)
    for row in table.rows:
        if row.base:
            body.add_section()
        body.add_row(_label(row), *(_cell(row.cells[i], table.columns[i], layout) for i in shown))
    return body


def _header(column: Column) -> Text:
    name, _, unit = column.label.partition(" (")
    return Text(name + ARROWS[column.direction] + superscript(column.notes) + (f"\n({unit}" if unit else ""))


def _label(row: Row) -> Text:
    mark = FAMILY_MARKS[row.family]
    return Text.assemble((mark.glyph, mark.colour), f" {row.title}{superscript(row.notes)}")


def _cell(cell: Cell, column: Column, layout: Layout) -> Text:
    found, published = cell.estimate, format_reference(cell, column.decimals)
    if found is None:
        return _with_published(Text(f"{missing(column)}{superscript(cell.notes)}", "dim"), published, layout)
    text = Text.assemble((format_value(cell, column.decimals), STYLES[cell.mark]), format_star(cell))
    spread = format_spread(found, column.decimals)
    if layout.detail == "interval" and spread:
        text.append(f" {spread}")
    text = _with_published(text.append(superscript(cell.notes)), published, layout)
    below = {"interval": format_interval(found, column.decimals), "spread": spread, "mean": ""}[layout.detail]
    return text.append(f"\n{below}", "dim") if below else text


def _with_published(text: Text, published: str, layout: Layout) -> Text:
    if not published or layout.published == "nowhere":
        return text
    return text.append(f"{' ' if layout.published == 'beside' else chr(10)}{published}", "dim")


def _below(table: Table) -> list[Text]:
    lines = [Text(f"{row.label}: n/a: {row.reason}", "yellow") for row in table.rows if row.reason is not None]
    legend = [Text.assemble((FAMILY_MARKS[f].glyph, FAMILY_MARKS[f].colour), f" {f}") for f in table.families()]
    lines += [Text("   ").join(legend)] if legend else []
    if table.remarks:
        lines.append(Text(" ".join(table.remarks), "dim"))
    lines += [Text(f"{superscript((i,))} {note}", "dim") for i, note in enumerate(table.footnotes, start=1)]
    return lines
