"""Runs side by side: their rows in one report, if their numbers mean the same."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from bench.errors import BenchError
from bench.report.model import COLUMNS, MethodInfo, MetricInfo, Report
from bench.report.saved import load_report
from methods.base import suggest


@dataclass(frozen=True)
class Comparison:
    """The joint report of the runs' own test sets. Without latencies if they are of different `devices`."""

    report: Report
    devices: tuple[str, ...] = ()


def compare_runs(folders: Sequence[Path], baseline: str | None = None) -> Comparison:
    """The rows of all runs, each once; those of one label and different settings are called `label (run)`.

    `baseline` is a label of the joint report. Raises BenchError where a run cannot be read, where test data, degradation or
    the protocol of a metric differ, and where no row is called like `baseline`.
    """
    return join_reports(_named(folders), baseline)


def join_reports(runs: Mapping[str, Report], baseline: str | None = None) -> Comparison:
    """`compare_runs` of reports in hand, by the names of their runs."""
    _check_comparable(runs)
    entries = _entries(runs)
    methods = _renamed(entries)
    _check_baseline(baseline, tuple(method.label for method in methods))
    rows = [entry.rows.assign(method=method.label) for entry, method in zip(entries, methods, strict=True)]
    devices = sorted({method.latency.device for method in methods if method.latency})
    if len(devices) > 1:
        methods = [replace(method, latency=None) for method in methods]
    first, *others = runs.values()
    suites = " + ".join(dict.fromkeys(run.name for run in runs.values()))
    report = Report(
        f"{suites} ({', '.join(runs)})", pd.concat(rows, ignore_index=True)[list(COLUMNS)], _metrics(runs), tuple(methods),
        reference=first.reference if all(run.reference == first.reference for run in others) else None,
        baseline=baseline, identity=first.identity,
    )  # fmt: skip
    return Comparison(report, tuple(devices) if len(devices) > 1 else ())


def _named(folders: Sequence[Path]) -> dict[str, Report]:
    """Reports by the names of their folders, with that of the suite where two are equal; a folder given twice is one run."""
    found = {folder.resolve(): folder for folder in folders}
    names = Counter(place.name for place in found)
    named = {place.name if names[place.name] == 1 else f"{place.parent.name}/{place.name}": place for place in found}
    return {name: load_report(found[place]) for name, place in named.items()}


def _check_comparable(runs: Mapping[str, Report]) -> None:
    (first, report), *others = runs.items()
    problems = [
        f"{where}: {ours!r} in {first}, {theirs!r} in {name}"
        for name, other in others
        for where, ours, theirs in (*_contradictions("", report.identity, other.identity), *_protocols(report, other))
    ]
    if problems:
        lines = "\n  ".join(problems)
        raise BenchError(f"these runs cannot be compared, as their numbers mean different things:\n  {lines}")


def _contradictions(path: str, ours: Any, theirs: Any) -> Iterator[tuple[str, Any, Any]]:
    """Where two plain values differ, at the deepest place that has a name."""
    if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
        for name in dict.fromkeys((*ours, *theirs)):
            yield from _contradictions(f"{path}.{name}" if path else name, ours.get(name), theirs.get(name))
    elif ours != theirs:
        yield path, ours, theirs


def _protocols(report: Report, other: Report) -> Iterator[tuple[str, str, str]]:
    known = {metric.name: metric.protocol for metric in report.metrics if metric.unavailable is None}
    for metric in other.metrics:
        if metric.unavailable is None and known.get(metric.name, metric.protocol) != metric.protocol:
            yield metric.label, known[metric.name], metric.protocol


def _metrics(runs: Mapping[str, Report]) -> tuple[MetricInfo, ...]:
    """Of all runs, in the order of the first that has each; unavailable only where no run has it."""
    found: dict[str, MetricInfo] = {}
    for metric in (metric for report in runs.values() for metric in report.metrics):
        if metric.name not in found or found[metric.name].unavailable is not None:
            found[metric.name] = metric
    return tuple(found.values())


@dataclass(frozen=True)
class _Entry:
    """A row of the joint report: `places` are the (run, label) where it stands, `keys` its scores by seed."""

    info: MethodInfo
    places: tuple[tuple[str, str], ...]
    keys: Mapping[int, str]
    rows: pd.DataFrame

    def is_result_of(self, info: MethodInfo, keys: Mapping[int, str]) -> bool:
        """Whether a row of another run is this one: a score in common, and none that contradicts."""
        if not keys or not self.keys:
            return not keys and not self.keys and (info.label, info.reason) == (self.info.label, self.info.reason)
        shared = self.keys.keys() & keys.keys()
        return not set(keys.values()).isdisjoint(self.keys.values()) and all(
            self.keys[seed] == keys[seed] for seed in shared
        )


def _entries(runs: Mapping[str, Report]) -> list[_Entry]:
    entries: list[_Entry] = []
    for run, report in runs.items():
        others = len(entries)  # rows of one run are never merged with each other
        parts = dict(list(report.rows.groupby("method", sort=False)))
        for info in report.methods:
            rows = parts.get(info.label, report.rows[:0])
            keys = dict(zip(rows["seed"].tolist(), rows["key"].tolist(), strict=True))
            i = next((i for i, entry in enumerate(entries[:others]) if entry.is_result_of(info, keys)), None)
            if i is None:
                entries.append(_Entry(info, ((run, info.label),), keys, rows))
            else:
                entries[i] = _merged(entries[i], (run, info.label), keys, rows)
    return entries


def _merged(entry: _Entry, place: tuple[str, str], keys: Mapping[int, str], rows: pd.DataFrame) -> _Entry:
    """`entry` with the seeds that only this run has."""
    new = {seed: key for seed, key in keys.items() if key not in entry.keys.values()}
    both = pd.concat([entry.rows, rows[rows["seed"].isin(list(new))]])
    return replace(entry, places=(*entry.places, place), keys={**entry.keys, **new}, rows=both)


def _renamed(entries: Sequence[_Entry]) -> list[MethodInfo]:
    """Descriptions whose labels are unique: where two clash, each has the name of its first run."""
    counts = Counter(entry.info.label for entry in entries)
    names = [
        entry.info.label if counts[entry.info.label] == 1 else f"{entry.info.label} ({entry.places[0][0]})"
        for entry in entries
    ]
    labels = {place: name for entry, name in zip(entries, names, strict=True) for place in entry.places}
    infos = []
    for entry, name in zip(entries, names, strict=True):
        run, label = entry.places[0]
        base, regressor = (labels.get((run, peer or "")) for peer in (entry.info.base, entry.info.regressor))
        variant = f"{entry.info.variant} ({run})" if entry.info.variant and name != label else entry.info.variant
        infos.append(replace(entry.info, label=name, base=base, variant=variant, regressor=regressor))
    return infos


def _check_baseline(baseline: str | None, labels: tuple[str, ...]) -> None:
    if baseline is not None and baseline not in labels:
        raise BenchError(f"--baseline: no row is called {baseline!r}{suggest(baseline, labels)}")
