"""Tables of other test sets: what each row scores there, what it loses, and what it keeps of its gain over the input."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from math import isfinite, nan
from typing import Final, TypeAlias

from bench.report.difference import Difference, compare_samples
from bench.report.difference_table import difference_cell
from bench.report.footnotes import Footnotes, metric_column
from bench.report.libraries import library_remarks
from bench.report.model import MethodInfo, MetricInfo, Report
from bench.report.ranking import rank_rows
from bench.report.statistics import (
    RESAMPLES,
    Sample,
    collect_samples,
    estimate_samples,
    percentile_interval,
    resampled_means,
)
from bench.report.table import Cell, Column, Row, Table

OTHER_SEED: Final = 1
"""Of the other sets' resamples: those of the main set have seed 0, and must be independent of them."""

Filled: TypeAlias = tuple[Column, Mapping[str, Cell]]
"""A column with its cells by row label."""


def tabulate_ood(report: Report) -> tuple[Table, ...]:
    """One table for each metric that the report's own and another test set have; none without other sets.

    A line tells all of one row: its value on each set, each other set's value minus that of the main set, and, where larger
    is better, the gain over the input on each set.
    """
    sets = [_Set(part) for part in (report, *report.ood)]
    tables = []
    for metric in report.metrics:
        main, *others = (part if part.has(metric) else None for part in sets)
        known = [part for part in others if part is not None]
        if main is not None and known:
            tables.append(_Builder(report, metric, (main, *known)).table())
    return tuple(tables)


class _Set:
    """A test set and what is known of its rows."""

    def __init__(self, report: Report) -> None:
        self.name = report.test
        self.metrics = {metric.name: metric for metric in report.metrics}
        self.samples = collect_samples(report.rows)
        self.estimates = estimate_samples(self.samples)

    def has(self, metric: MetricInfo) -> bool:
        return metric.name in self.metrics and any(name == metric.name for _, name in self.estimates)

    def samples_of(self, metric: MetricInfo) -> dict[str, Sample]:
        return {label: sample for (label, name), sample in self.samples.items() if name == metric.name}


class _Builder:
    """The table of one metric."""

    def __init__(self, report: Report, metric: MetricInfo, sets: Sequence[_Set]) -> None:
        self._report = report
        self._metric = metric
        self._main, *self._others = sets
        self._notes = Footnotes()
        methods = [method.label for method in report.methods if method.family == "input"]
        self._input = next((label for label in methods if (label, metric.name) in self._main.estimates), None)

    def table(self) -> Table:
        sets = (self._main, *self._others)
        filled = [*map(self._values, sets), *map(self._drops, self._others)]
        if self._metric.direction == "up" and self._input is not None:
            filled += [self._gains(part, self._input) for part in sets]
        rows = tuple(self._row(method, [cells for _, cells in filled]) for method in self._report.methods)
        name = f"{self._report.name}: {self._metric.label} on other test sets"
        columns = tuple(column for column, _ in filled)
        return Table(name, columns, rows, tuple(self._remarks(columns)), self._notes.texts())

    def _values(self, part: _Set) -> Filled:
        metric = part.metrics[self._metric.name]
        column = replace(metric_column(metric, self._notes), name=f"{metric.name}@{part.name}", label=part.name)
        marks = rank_rows(metric, self._report.methods, part.estimates)
        found = {label: estimate for (label, name), estimate in part.estimates.items() if name == metric.name}
        return column, {label: Cell(estimate, marks.get(label)) for label, estimate in found.items()}

    def _drops(self, part: _Set) -> Filled:
        """The other set's mean minus the main set's. Their images have nothing to do with each other: each set is resampled
        by itself."""
        here, there = (
            {label: sample.present() for label, sample in s.samples_of(self._metric).items()}
            for s in (self._main, part)
        )
        means_here, means_there = resampled_means(here), resampled_means(there, seed=OTHER_SEED)
        drops = {}
        for label in here.keys() & there.keys():
            value = float(there[label].mean() - here[label].mean()) if len(here[label]) and len(there[label]) else nan
            if isfinite(value):
                both = label in means_here and label in means_there
                interval = percentile_interval(means_there[label] - means_here[label]) if both else None
                drops[label] = Difference(self._main.name, value, interval)
        name = f"{self._metric.name}@{part.name}-{self._main.name}"
        return self._column(name, f"{part.name} \N{MINUS SIGN} {self._main.name}"), self._cells(drops, 0)

    def _gains(self, part: _Set, base: str) -> Filled:
        samples = part.samples_of(self._metric)
        pairs = {
            label: (sample, samples[base]) for label, sample in samples.items() if base in samples and label != base
        }
        gains = compare_samples(pairs, dict.fromkeys(pairs, base))
        column = self._column(f"{self._metric.name}-gain@{part.name}", f"gain on {part.name}")
        return column, self._cells(gains, self._images(part))

    def _column(self, name: str, label: str) -> Column:
        return Column(name, label, "summary", self._metric.decimals, self._metric.direction)

    def _cells(self, differences: Mapping[str, Difference], images: int) -> dict[str, Cell]:
        return {
            label: difference_cell(found, self._metric, images, self._notes) for label, found in differences.items()
        }

    def _row(self, method: MethodInfo, columns: Sequence[Mapping[str, Cell]]) -> Row:
        cells = tuple(column.get(method.label, Cell()) for column in columns)
        empty = all(cell.estimate is None for cell in cells)
        return Row(method.label, method.family, cells, method.reason if empty else None)

    def _remarks(self, columns: Sequence[Column]) -> Iterator[str]:
        counts = {part.name: self._images(part) for part in (self._main, *self._others)}
        if all(counts.values()):
            yield f"Images: {', '.join(f'{name} {count}' for name, count in counts.items())}."
            yield f"Intervals: 95 % bootstrap over images ({RESAMPLES:,} resamples), of both sets for their differences."
        if any("-gain@" in column.name for column in columns):
            yield (
                f"Gains are over {self._input} on the same images. What {self._input} loses is the data's part of a drop; "
                "what a method loses of its gain is its own."
            )

        yield from library_remarks(self._report.methods)

    def _images(self, part: _Set) -> int:
        return max(found.images for (_, name), found in part.estimates.items() if name == self._metric.name)
