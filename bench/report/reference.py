"""Published values that a suite shows beside its own: a CSV file with a line that says where they are from."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.errors import SuiteError

SOURCE = "# source:"


@dataclass(frozen=True)
class Reference:
    """`values` by (row label, column name) in the unit of the table's column; `source` is printed below the table."""

    source: str
    values: Mapping[tuple[str, str], float] = field(default_factory=dict)

    def value(self, label: str, column: str) -> float | None:
        return self.values.get((label, column))


def read_reference(path: Path) -> Reference:
    """The values in `path`: first a line `# source: TEXT`, then CSV whose column `method` names rows.

    Every other column is a metric (`psnr`) or a cost (`parameters` in M, `macs` in G, `memory` in MB, `latency` in ms);
    empty fields are unknown. Raises SuiteError with file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(f"{path}: reference values cannot be read: {error}") from None
    if not lines or not lines[0].startswith(SOURCE):
        raise SuiteError(f"{path}:1: `{SOURCE} TEXT` is wanted, so that the table can say whose values these are")
    return Reference(lines[0].removeprefix(SOURCE).strip(), dict(_values(path, lines[1:])))


def _values(path: Path, lines: list[str]) -> Iterator[tuple[tuple[str, str], float]]:
    reader = csv.DictReader(lines)
    if reader.fieldnames is None or reader.fieldnames[0] != "method":
        raise SuiteError(f"{path}:2: the header must begin with `method`")
    for record in reader:
        where = f"{path}:{reader.line_num + 1}"
        if None in record:
            raise SuiteError(f"{where}: more fields than the header has")
        label = record.pop("method")
        for column, text in record.items():
            if text and text.strip():
                yield (label, column), _number(text, f"{where}: {column}")


def _number(text: str, where: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SuiteError(f"{where}: a number is wanted, found {text.strip()!r}")
    return value
