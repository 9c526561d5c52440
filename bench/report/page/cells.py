"""What the page knows of a table's cell beside its number: what it is sorted by and what it rests on."""

from __future__ import annotations

from bench.report.difference import Difference
from bench.report.table import Cell, Column, Row, Table


def sort_value(cell: Cell) -> str:
    """A number as JavaScript reads it, at full precision; "" for n/a, which comes last in both directions."""
    if cell.estimate is None:
        return ""
    return repr(cell.estimate.value).replace("inf", "Infinity")


def describe_cell(table: Table, row: Row, column: Column, cell: Cell) -> str:
    """Lines of the tooltip: what it is, images, seeds, the keys of the jobs that made it, tests, footnotes."""
    lines = [f"{row.title}, {column.label}"]
    found = cell.estimate
    if found is None:
        reason = row.reason or column.reason
        lines += [f"n/a: {reason}"] if reason else []
    else:
        lines += [f"{found.images} image{'s' if found.images > 1 else ''}"] if found.images else []
        lines += [f"{_plural('seed', found.seeds)} {', '.join(map(str, found.seeds))}"] if found.seeds else []
        lines += [f"{_plural('job', found.keys)} {', '.join(found.keys)}"] if found.keys else []
    if cell.difference is not None:
        lines += _describe_difference(cell.difference)
    return "\n".join([*lines, *(table.footnotes[note - 1] for note in cell.notes)])


def _describe_difference(difference: Difference) -> list[str]:
    lines = [f"difference to {difference.base}"]
    if difference.p is not None and difference.adjusted is not None:
        lines.append(f"p = {difference.p:.2g}, corrected {difference.adjusted:.2g}")
    return lines


def _plural(noun: str, things: tuple[object, ...]) -> str:
    return noun if len(things) == 1 else f"{noun}s"
