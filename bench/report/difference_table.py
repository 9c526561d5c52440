"""The table of differences: each row against its base, with intervals and tests over the same images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeAlias

from bench.report.difference import Difference, base_of, paired_differences
from bench.report.footnotes import Footnotes, metric_column
from bench.report.libraries import library_remarks
from bench.report.model import MethodInfo, MetricInfo, Report
from bench.report.significance import ALPHA, describe_test
from bench.report.statistics import RESAMPLES, Estimate, Estimates, estimate_rows
from bench.report.table import Cell, CellMark, Row, Table

Differences: TypeAlias = Mapping[tuple[str, str], Difference]
"""By (method label, metric name)."""


def tabulate_differences(
    report: Report, estimates: Estimates | None = None, differences: Differences | None = None
) -> Table | None:
    """The rows that have a base, below it and in the order of the report; None where nothing can be compared.

    A base has its own values, a variant the name of its change. `estimates` and `differences` of the same report save
    computing them. Raises ValueError if the baseline is no row of the report.
    """
    differences = paired_differences(report) if differences is None else differences
    if not differences:
        return None
    return _Builder(report, estimate_rows(report.rows) if estimates is None else estimates, differences).table()


def difference_cell(difference: Difference, metric: MetricInfo, images: int, footnotes: Footnotes) -> Cell:
    """Marked by which way it is better, if it is significant. A footnote says where some of `images` do not count."""
    mark: CellMark | None = None
    if difference.significant:
        mark = "better" if (difference.value > 0) == (metric.direction == "up") else "worse"
    estimate = Estimate(difference.value, difference.interval, images=difference.images)
    partial = f"over the {difference.images} of {images} images of which both rows have a finite value"
    notes = footnotes.number(partial) if 0 < difference.images < images else ()
    return Cell(estimate, mark, notes=notes, difference=difference)


class _Builder:
    def __init__(self, report: Report, estimates: Estimates, differences: Differences) -> None:
        self._report = report
        self._estimates = estimates
        self._differences = differences
        self._notes = Footnotes()
        self._images = {
            metric.name: max((found.images for (_, name), found in estimates.items() if name == metric.name), default=0)
            for metric in report.metrics
        }

    def table(self) -> Table:
        columns = tuple(metric_column(metric, self._notes) for metric in self._report.metrics)
        rows = tuple(row for base, members in self._groups().items() for row in self._group(base, members))
        remarks = (
            *_remarks(self._report, self._estimates, self._differences), *library_remarks(self._report.methods),
        )  # fmt: skip
        return Table(f"{self._report.name}: differences", columns, rows, remarks, self._notes.texts())

    def _groups(self) -> dict[str, list[MethodInfo]]:
        groups: dict[str, list[MethodInfo]] = {}
        for method in self._report.methods:
            base = base_of(method, self._report)
            if base is not None:
                groups.setdefault(base, []).append(method)
        return groups

    def _group(self, label: str, members: Sequence[MethodInfo]) -> Iterator[Row]:
        base = next((method for method in self._report.methods if method.label == label), None)
        if base is None:
            raise ValueError(
                f"report {self._report.name!r}: {label!r}, which rows are compared with, is none of its rows"
            )
        yield _row(base, label, [Cell(self._estimates.get((label, m.name))) for m in self._report.metrics], base=True)
        for method in members:
            name = method.variant if method.base is not None and method.variant else method.label
            yield _row(method, name, [self._cell(method, metric) for metric in self._report.metrics])

    def _cell(self, method: MethodInfo, metric: MetricInfo) -> Cell:
        found = self._differences.get((method.label, metric.name))
        return Cell() if found is None else difference_cell(found, metric, self._images[metric.name], self._notes)


def _row(method: MethodInfo, label: str, cells: Sequence[Cell], base: bool = False) -> Row:
    empty = all(cell.estimate is None for cell in cells)
    return Row(label, method.family, tuple(cells), method.reason if empty else None, base=base)


def _remarks(report: Report, estimates: Estimates, differences: Differences) -> Iterator[str]:
    tested = [d for d in differences.values() if d.adjusted is not None]
    seeds = sorted({seed for found in estimates.values() for seed in found.seeds})
    plural = f"seeds {', '.join(map(str, seeds))} are averaged first" if len(seeds) > 1 else f"seed {seeds[0]}"
    yield f"Differences to the base above, image by image; {plural}."
    if tested:
        images = max(d.images for d in tested)
        family = max(
            sum(name == m.name and d in tested for (_, name), d in differences.items()) for m in report.metrics
        )
        yield (
            f"* p < {ALPHA:g}, in bold if better: {describe_test(images)}, with Holm's correction for the "
            f"{family} row{'s' if family > 1 else ''} of a column that are compared. It says whether other images would "
            f"show the same, not whether another training would."
        )
    if any(d.interval is not None for d in differences.values()):
        yield f"Intervals: 95 % bootstrap over images ({RESAMPLES:,} resamples)."
    whole = [
        m.label for m in report.metrics if any(name == m.name and not d.images for (_, name), d in differences.items())
    ]
    if whole:
        yield f"{', '.join(whole)}: one value of the whole set, so that there is nothing to test."
