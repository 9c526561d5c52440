"""Tidy numbers at full precision: one line per method and column, for programs rather than readers."""

from __future__ import annotations

import csv
import io

from bench.report.difference import Difference
from bench.report.table import Cell, Column, Row, Table

FIELDS = (
    "method", "family", "column", "label", "direction", "value", "low", "high", "seed_std", "images", "seeds",
    "mark", "protocol", "note", "key", "reference", "base", "p", "p_adjusted",
)  # fmt: skip

FORMULA = ("=", "+", "-", "@", "\t")
"""What begins a formula in a spreadsheet (OWASP, CSV injection)."""


def render_csv(*tables: Table) -> str:
    """CSV with the header `FIELDS`. Empty value: not available, see `note`. Seeds and keys: space-separated.

    `low` and `high` bound the 95 % interval over images; for latency they are the 10th and 90th percentile. With a `base`,
    the value is a difference to that row, and `p_adjusted` is `p` after Holm's correction. Text that a spreadsheet would
    compute (`=...`) begins with an apostrophe.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(FIELDS)
    for table in tables:
        for row in table.rows:
            for column, cell in zip(table.columns, row.cells, strict=True):
                writer.writerow(map(_inert, _record(row, column, cell, table.footnotes)))
    return text.getvalue()


def _inert(value: object) -> object:
    """Labels, reasons and ids come from suites, files and methods of others; spreadsheets take some of them for formulas."""
    if not isinstance(value, str):
        return value
    line = value.replace("\r", " ")  # the csv module leaves it unquoted, and reads it as the end of a record
    return f"'{line}" if line.startswith(FORMULA) else line


def _record(row: Row, column: Column, cell: Cell, footnotes: tuple[str, ...]) -> list[object]:
    described: list[object] = [row.label, row.family, column.name, column.label, column.direction or ""]
    notes = [footnotes[number - 1] for number in cell.notes]
    published = "" if cell.reference is None else cell.reference
    found = cell.estimate
    if found is None:
        reason = row.reason if row.reason is not None else column.reason
        notes += [] if reason is None else [f"n/a: {reason}"]
        return [*described, "", "", "", "", "", "", "", column.protocol, "; ".join(notes), "", published, "", "", ""]
    low, high = found.interval if found.interval is not None else ("", "")
    spread = "" if found.spread is None else found.spread
    counts = [found.images or "", " ".join(map(str, found.seeds))]
    explained = [cell.mark or "", column.protocol, "; ".join(notes), " ".join(found.keys), published]
    return [*described, found.value, low, high, spread, *counts, *explained, *_comparison(cell.difference)]


def _comparison(difference: Difference | None) -> list[object]:
    if difference is None:
        return ["", "", ""]
    tested = [difference.p, difference.adjusted]
    return [difference.base, *("" if p is None else p for p in tested)]
