"""A booktabs table to \\input into a paper; the caption names seeds, images and every metric's protocol."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from bench.report.family import FAMILY_MARKS
from bench.report.latex import breakable, escape_latex
from bench.report.model import Family
from bench.report.table import (
    Cell,
    Column,
    Group,
    Row,
    Table,
    format_number,
    format_reference,
    format_star,
    format_value,
    missing,
)

PREAMBLE = r"% \usepackage[T1]{fontenc} \usepackage{booktabs,amssymb,graphicx,xcolor}"
SHRINK = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{"
"""A table that is too wide gets smaller letters; others keep theirs."""
ARROWS = {"up": r" $\uparrow$", "down": r" $\downarrow$", None: ""}
GROUPS: Final[Mapping[Group, str]] = {"quality": "Quality", "summary": "", "cost": "Cost"}
MINUS: Final = "\N{MINUS SIGN}"
ONE_COLUMN_LIMIT = 4
"""More numbers than this get a `table*` over both columns of the page; a spread or an interval counts as one more."""


def render_latex(table: Table) -> str:
    """The float. Intervals are sub- and superscripts of the mean; ± is the spread over seeds."""
    environment = "table*" if _width(table) > ONE_COLUMN_LIMIT else "table"
    lines = [
        PREAMBLE,
        rf"\begin{{{environment}}}[t]",
        r"\centering\small\setlength{\tabcolsep}{4pt}",
        rf"\caption[{{{escape_latex(table.name)}}}]{{{_caption(table)}}}",
        rf"\label{{tab:{_identifier(table.name)}}}",
        SHRINK + rf"\begin{{tabular}}{{@{{}}l{'c' * len(table.columns)}@{{}}}}",
        r"\toprule",
        *_header(table.columns),
        r"\midrule",
        *_rows(table),
        r"\bottomrule",
        r"\end{tabular}}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join(lines) + "\n"


def _width(table: Table) -> int:
    columns = [[row.cells[i].estimate for row in table.rows] for i in range(len(table.columns))]
    return len(columns) + sum(any(found and (found.spread or found.interval) for found in column) for column in columns)


def _identifier(name: str) -> str:
    return "".join(c if c.isascii() and c.isalnum() else "-" for c in name)


def _superscript(notes: tuple[int, ...]) -> str:
    return rf"\textsuperscript{{{','.join(map(str, notes))}}}" if notes else ""


def _header(columns: tuple[Column, ...]) -> list[str]:
    labels = [escape_latex(c.label) + ARROWS[c.direction] + _superscript(c.notes) for c in columns]
    lines = [" & ".join(["Method", *labels]) + r" \\"]
    groups = {group: sum(column.group == group for column in columns) for group in GROUPS}
    return [*_spans(groups), *lines] if groups["quality"] and groups["cost"] else lines


def _spans(groups: Mapping[Group, int]) -> list[str]:
    """A line of group titles with rules below them."""
    titles, rules, first = "", "", 2
    for group, width in groups.items():
        if width:
            titles += rf" & \multicolumn{{{width}}}{{c}}{{{GROUPS[group]}}}"
            rules += rf"\cmidrule(lr){{{first}-{first + width - 1}}}" if GROUPS[group] else ""
            first += width
    return [rf"{titles} \\", rules]


def _rows(table: Table) -> Iterator[str]:
    for i, row in enumerate(table.rows):
        if row.base and i:
            yield r"\midrule"
        yield _row(row, table.columns)


def _row(row: Row, columns: tuple[Column, ...]) -> str:
    label = f"{_family(row.family)} {escape_latex(row.title)}{_superscript(row.notes)}"
    cells = [_cell(cell, column) for cell, column in zip(row.cells, columns, strict=True)]
    if row.reason is not None:
        quality = sum(column.group == "quality" for column in columns)
        reason = rf"\multicolumn{{{quality}}}{{l}}{{\footnotesize n/a: {escape_latex(row.reason)}}}"
        cells = [reason, *cells[quality:]] if quality else cells
    return " & ".join([label, *cells]) + r" \\"


def _family(family: Family) -> str:
    mark = FAMILY_MARKS[family]
    return rf"\textcolor[HTML]{{{mark.colour[1:]}}}{{${mark.tex}$}}"


def _cell(cell: Cell, column: Column) -> str:
    found = cell.estimate
    if found is None:
        return escape_latex(missing(column)) + _superscript(cell.notes) + _reference(cell, column)
    text = escape_latex(format_value(cell, column.decimals).replace("-", MINUS))
    if cell.mark in ("best", "better"):
        text = rf"\textbf{{{text}}}"
    elif cell.mark == "second":
        text = rf"\underline{{{text}}}"
    text += r"\textsuperscript{*}" if format_star(cell) else ""
    if found.spread is not None:
        text += rf"{{\scriptsize$\,\pm\,${format_number(found.spread, column.decimals)}}}"
    if found.interval is not None:
        low, high = (format_number(bound, column.decimals) for bound in found.interval)
        text += rf"$_{{{low}}}^{{{high}}}$"
    return text + _superscript(cell.notes) + _reference(cell, column)


def _reference(cell: Cell, column: Column) -> str:
    published = escape_latex(format_reference(cell, column.decimals))
    return rf" \textcolor{{gray}}{{{published}}}" if published else ""


def _caption(table: Table) -> str:
    legend = ", ".join(f"{_family(family)} {family}" for family in table.families())
    remarks = [escape_latex(remark) for remark in table.remarks]
    notes = [rf"{_superscript((i,))}{breakable(note)}." for i, note in enumerate(table.footnotes, start=1)]
    opening = [rf"\textbf{{{escape_latex(table.name)}}}.", f"{legend}." if legend else ""]
    return " ".join(text for text in [*opening, *remarks, *notes] if text)
