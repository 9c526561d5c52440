"""From a report to its table: which columns there are, what is marked, and which footnotes explain it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10

from bench.report.agreement import describe_agreement
from bench.report.footnotes import Footnotes, metric_column
from bench.report.libraries import library_notes
from bench.report.model import MethodInfo, MetricInfo, Report
from bench.report.ranking import mean_ranks, rank_rows, ranked_metrics
from bench.report.statistics import RESAMPLES, Estimate, Estimates, estimate_rows, rank
from bench.report.table import Cell, Column, Row, Table, format_number


@dataclass(frozen=True)
class Cost:
    """A column of what a method costs, shown when any method has it; `estimate` is in the unit of `label`."""

    name: str
    label: str
    estimate: Callable[[MethodInfo], Estimate | None]


def _parameters(method: MethodInfo) -> Estimate | None:
    return None if method.parameters is None else Estimate(method.parameters / 1e6)


def _macs(method: MethodInfo) -> Estimate | None:
    return None if method.macs is None else Estimate(method.macs / 1e9)


def _memory(method: MethodInfo) -> Estimate | None:
    return None if method.memory is None else Estimate(method.memory / 2**20)


def _latency(method: MethodInfo) -> Estimate | None:
    latency = method.latency
    return None if latency is None else Estimate(latency.median, interval=(latency.p10, latency.p90))


RANK_DECIMALS = 2

COSTS = (
    Cost("parameters", "Params (M)", _parameters),
    Cost("macs", "MACs (G)", _macs),
    Cost("memory", "Memory (MiB)", _memory),
    Cost("latency", "Latency (ms)", _latency),
)


def tabulate(report: Report, estimates: Estimates | None = None) -> Table:
    """The table; `estimates` of the same rows save computing them. ValueError for rows of unknown methods."""
    estimates = estimate_rows(report.rows) if estimates is None else estimates
    undescribed = {method for method, _ in estimates} - {method.label for method in report.methods}
    if undescribed:
        raise ValueError(f"report {report.name!r}: rows of {sorted(undescribed)}, which `methods` lacks")
    return _Builder(report, estimates).table()


class _Builder:
    """One pass over a report that numbers footnotes as it meets them: columns first, then rows."""

    def __init__(self, report: Report, estimates: Estimates) -> None:
        self._report = report
        self._estimates = estimates
        self._notes = Footnotes()
        self._images = max((found.images for found in estimates.values()), default=0)
        self._costs = [cost for cost in COSTS if any(cost.estimate(method) for method in report.methods)]
        self._devices = dict.fromkeys(method.latency.device for method in report.methods if method.latency)
        self._marks = {metric.name: rank_rows(metric, report.methods, estimates) for metric in report.metrics}
        self._ranked = ranked_metrics(report.metrics, estimates)
        self._ranks = mean_ranks(self._ranked, report.methods, estimates)
        self._scored = library_notes(report.methods)
        self._marks["rank"] = rank(self._ranks, "down", RANK_DECIMALS)

    def table(self) -> Table:
        columns = [metric_column(metric, self._notes) for metric in self._report.metrics]
        columns += [self._rank_column()] if self._ranks else []
        columns += [self._cost_column(cost) for cost in self._costs]
        rows = [self._row(method) for method in self._report.methods]
        remarks = _remarks(self._report.methods, self._estimates, self._images)
        if any(cell.reference is not None for row in rows for cell in row.cells) and self._report.reference:
            remarks += (f"In parentheses: {self._report.reference.source}.", *_agreement(columns, rows))
        return Table(self._report.name, tuple(columns), tuple(rows), remarks, self._notes.texts())

    def _rank_column(self) -> Column:
        metrics = ", ".join(metric.label for metric in self._ranked)
        explained = (
            f"Rank: mean over {metrics} of the place among the {len(self._ranks)} rows that have all of them, as printed; "
            "equal values share the mean of their places"
        )
        return Column("rank", "Rank", "summary", RANK_DECIMALS, "down", notes=self._notes.number(explained))

    def _rank_cell(self, method: MethodInfo) -> Cell:
        found = self._ranks.get(method.label)
        return Cell() if found is None else Cell(Estimate(found), self._marks["rank"].get(method.label))

    def _cost_column(self, cost: Cost) -> Column:
        estimates = [cost.estimate(method) for method in self._report.methods]
        decimals = _decimals([found.value for found in estimates if found is not None])
        one_device = cost.name == "latency" and len(self._devices) == 1
        notes = self._notes.number(*map(_latency_note, self._devices)) if one_device else ()
        if cost.name == "memory":
            notes = self._notes.number("Memory: weights and the tensors alive at the worst moment of one forward pass")
        return Column(cost.name, cost.label, "cost", decimals, notes=notes)

    def _row(self, method: MethodInfo) -> Row:
        scored = self._scored.get(method.label)
        notes = self._notes.number(*method.notes, *([] if scored is None else [scored]))
        cells = [self._metric_cell(method, metric) for metric in self._report.metrics]
        reason = method.reason
        if reason is not None and any(cell.estimate is not None for cell in cells):
            # A method that failed for some seeds keeps the numbers of the others.
            notes += self._notes.number(f"incomplete: {reason}")
            reason = None
        cells += [self._rank_cell(method)] if self._ranks else []
        cells += [self._cost_cell(method, cost) for cost in self._costs]
        return Row(method.label, method.family, tuple(cells), reason, notes)

    def _metric_cell(self, method: MethodInfo, metric: MetricInfo) -> Cell:
        found = self._estimates.get((method.label, metric.name))
        published = self._published(method, metric.name)
        if found is not None:
            notes = self._notes.number(*_reservations(found, self._images, metric.decimals))
            return Cell(found, self._marks[metric.name].get(method.label), published, notes)
        if method.reason is not None or metric.unavailable is not None:
            return Cell(reference=published)
        return Cell(
            reference=published,
            notes=self._notes.number(f"n/a: no {metric.label} value of {method.label} was recorded"),
        )

    def _cost_cell(self, method: MethodInfo, cost: Cost) -> Cell:
        notes: tuple[int, ...] = ()
        if cost.name == "latency" and method.latency is not None and len(self._devices) > 1:
            notes = self._notes.number(_latency_note(method.latency.device))
        return Cell(cost.estimate(method), reference=self._published(method, cost.name), notes=notes)

    def _published(self, method: MethodInfo, column: str) -> float | None:
        return self._report.reference.value(method.label, column) if self._report.reference else None


def _agreement(columns: Sequence[Column], rows: Sequence[Row]) -> Iterator[str]:
    """How our order of the methods agrees with the published one, column by column; the input is no method."""
    found = [text for i, column in enumerate(columns) if (text := _column_agreement(column, i, rows)) is not None]
    if found:
        yield f"Our order against that one: {'. '.join(found)}."


def _column_agreement(column: Column, index: int, rows: Sequence[Row]) -> str | None:
    cells = {row.label: row.cells[index] for row in rows if row.family != "input"}
    ours = {label: round(c.estimate.value, column.decimals) for label, c in cells.items() if c.estimate is not None}
    published = {label: cell.reference for label, cell in cells.items() if cell.reference is not None}
    return describe_agreement(column.label.partition(" (")[0], ours, published)


def _latency_note(device: str) -> str:
    return f"Latency: median and 10th to 90th percentile per image on {device}"


def _decimals(values: Iterable[float]) -> int:
    """One to three decimals that leave the smallest positive value two significant digits."""
    smallest = min((value for value in values if value > 0), default=1.0)
    return min(3, max(1, 1 - floor(log10(smallest))))


def _reservations(found: Estimate, images: int, decimals: int) -> list[str]:
    """What a reader must know of this one number: images without a value, infinite values."""
    texts = []
    if 0 < found.images < images:
        texts.append(f"mean over {found.images} of {images} images; the others have no value")
    if found.finite is not None:
        rest = found.images - found.infinite
        mean = format_number(found.finite, decimals)
        infinite = f"infinite on {found.infinite} of {found.images} images"
        texts.append(f"{infinite}; the mean of the other {rest} is {mean}")
    return texts


def _remarks(methods: tuple[MethodInfo, ...], estimates: Estimates, images: int) -> tuple[str, ...]:
    seeds = sorted({seed for found in estimates.values() for seed in found.seeds})
    remarks = []
    if seeds:
        count = f"{images} test image{'s' if images > 1 else ''}, " if images else ""
        remarks.append(f"{count}seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}.")
    if sum(method.family != "input" for method in methods) > 1:
        remarks.append("Best in bold, second best underlined; the input is not ranked.")
    if any(found.spread is not None for found in estimates.values()):
        remarks.append("± is the standard deviation over seeds.")
    if any(found.interval is not None for found in estimates.values()):
        remarks.append(f"Intervals: 95 % bootstrap over images ({RESAMPLES:,} resamples).")
    return tuple(remarks)
