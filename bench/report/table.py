"""The neutral table that every renderer prints: columns, rows, cells, footnotes. Knows no output format."""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf
from typing import Literal, TypeAlias

from bench.report.difference import Difference
from bench.report.model import Direction, Family
from bench.report.statistics import Estimate

Group: TypeAlias = Literal["quality", "summary", "cost"]
"""`summary` is made from the quality columns before it."""

CellMark: TypeAlias = Literal["best", "second", "better", "worse"]
"""Of a value: its place in the column. Of a difference: that it is significant, and which way."""


@dataclass(frozen=True)
class Column:
    """`name` identifies, `label` is read. `direction` None: no arrow. `reason`: why all of it is n/a.

    `notes` are footnote numbers, here and below.
    """

    name: str
    label: str
    group: Group
    decimals: int
    direction: Direction | None = None
    protocol: str = ""
    reason: str | None = None
    notes: tuple[int, ...] = ()


@dataclass(frozen=True)
class Cell:
    """A number, or n/a where `estimate` is None (the column, the row or a footnote says why). `reference` is the published
    value. `difference`: the number is one, and is printed with its sign."""

    estimate: Estimate | None = None
    mark: CellMark | None = None
    reference: float | None = None
    notes: tuple[int, ...] = ()
    difference: Difference | None = None


@dataclass(frozen=True)
class Row:
    """`cells` follow `Table.columns`. `reason`: the method has no numbers at all. `base`: the rows below, up to the next
    such row, are differences to this one."""

    label: str
    family: Family
    cells: tuple[Cell, ...]
    reason: str | None = None
    notes: tuple[int, ...] = ()
    base: bool = False

    @property
    def title(self) -> str:
        return f"{self.label} (base)" if self.base else self.label


@dataclass(frozen=True)
class Table:
    """`remarks` hold for the whole table; `footnotes[i]` is number i + 1."""

    name: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    remarks: tuple[str, ...]
    footnotes: tuple[str, ...]

    def families(self) -> tuple[Family, ...]:
        """Families that occur, in order of appearance: the legend."""
        return tuple(dict.fromkeys(row.family for row in self.rows))


def format_number(value: float, decimals: int) -> str:
    """`value` with fixed decimals; infinity as ∞; never a negative zero."""
    if isinf(value):
        return "∞" if value > 0 else "-∞"
    return f"{round(value, decimals) + 0.0:.{decimals}f}"


def format_value(cell: Cell, decimals: int) -> str:
    """The cell's number, a difference with its sign; "" without one."""
    if cell.estimate is None:
        return ""
    rises = cell.difference is not None and round(cell.estimate.value, decimals) > 0
    return "+" * rises + format_number(cell.estimate.value, decimals)


def format_star(cell: Cell) -> str:
    """`*` for a significant difference."""
    return "*" if cell.difference is not None and cell.difference.significant else ""


def missing(column: Column) -> str:
    """What stands where there is no number."""
    return "n/a" if column.group == "quality" else "\N{EN DASH}"


def format_interval(estimate: Estimate, decimals: int) -> str:
    """`[low, high]`, or "" without an interval."""
    if estimate.interval is None:
        return ""
    low, high = estimate.interval
    return f"[{format_number(low, decimals)}, {format_number(high, decimals)}]"


def format_spread(estimate: Estimate, decimals: int) -> str:
    """`± spread`, or "" for a single seed."""
    return "" if estimate.spread is None else f"± {format_number(estimate.spread, decimals)}"


def format_reference(cell: Cell, decimals: int) -> str:
    """`(published value)`, or "" without one."""
    return "" if cell.reference is None else f"({format_number(cell.reference, decimals)})"


def superscript(notes: tuple[int, ...]) -> str:
    """Footnote numbers in Unicode superscripts, separated by commas: `¹,²`."""
    return ",".join(str(note).translate(str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")) for note in notes)
