"""GitHub-flavoured Markdown: a table that also reads well as plain text."""

from __future__ import annotations

import re

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


def render_markdown(table: Table) -> str:
    """The table, its legend, remarks and numbered footnotes, ending in a newline."""
    header = ["Method", *(_header(column) for column in table.columns)]
    body = [_row(row, table.columns) for row in table.rows]
    # Long reasons would stretch their column of the plain text; they are left out of its width.
    columns = zip(header, *body, strict=True)
    widths = [max(3, *(len(cell) for cell in cells if not cell.startswith("n/a: "))) for cells in columns]
    rule = [":" + "-" * (widths[0] - 1), *("-" * (width - 1) + ":" for width in widths[1:])]
    lines = [f"# {escape_markdown(table.name)}", "", _line(header, widths), _line(rule, widths)]
    lines += [_line(cells, widths) for cells in body]
    return "\n".join([*lines, *_below(table)]) + "\n"


def escape_markdown(text: str) -> str:
    """`text` so that GitHub shows it as it is, on one line, also inside a table cell."""
    one_line = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>|~$#])", r"\\\1", one_line.replace("&", "&amp;"))


def _line(cells: list[str], widths: list[int]) -> str:
    numbers = [cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True)]
    return f"| {' | '.join([cells[0].ljust(widths[0]), *numbers])} |"


def _header(column: Column) -> str:
    return escape_markdown(column.label) + ARROWS[column.direction] + superscript(column.notes)


def _row(row: Row, columns: tuple[Column, ...]) -> list[str]:
    label = f"{FAMILY_MARKS[row.family].glyph} {escape_markdown(row.title)}{superscript(row.notes)}"
    cells = [_cell(cell, column) for cell, column in zip(row.cells, columns, strict=True)]
    if row.reason is not None and cells:
        cells[0] = f"n/a: {escape_markdown(row.reason)}"
    return [label, *cells]


def _cell(cell: Cell, column: Column) -> str:
    found, published = cell.estimate, format_reference(cell, column.decimals)
    if found is None:
        return f"{missing(column)}{superscript(cell.notes)} {published}".rstrip()
    number = format_value(cell, column.decimals)
    if cell.mark in ("best", "better"):
        number = f"**{number}**"
    elif cell.mark == "second":
        number = f"<ins>{number}</ins>"  # GitHub strips <u>; browsers underline <ins>
    parts = [
        number + escape_markdown(format_star(cell)),
        format_spread(found, column.decimals),
        format_interval(found, column.decimals),
    ]
    return f"{' '.join(part for part in parts if part)}{superscript(cell.notes)} {published}".rstrip()


def _below(table: Table) -> list[str]:
    legend = ", ".join(f"{FAMILY_MARKS[family].glyph} {family}" for family in table.families())
    remarks = [escape_markdown(remark) for remark in table.remarks]
    lines = ["", " ".join([f"{legend}.", *remarks] if legend else remarks)]
    if table.footnotes:
        lines += ["", *(f"{i}. {escape_markdown(note)}" for i, note in enumerate(table.footnotes, start=1))]
    return lines
