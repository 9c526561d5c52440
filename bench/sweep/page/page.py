"""`report.html` of a sweep: the page as text, from a study, its figures and its best suites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import yaml

from bench.env import describe_environment
from bench.report.page.document import flatten, render_document
from bench.report.page.figure_view import figure_view
from bench.report.scores import ARROWS
from bench.sweep.record import Record, Tried
from bench.sweep.space import as_parameter, describe, short_names
from bench.sweep.tables import shown, summary
from bench.sweep.variation import Subject

TEMPLATE: Final = Path(__file__).parent / "sweep.html.j2"

CAPTIONS: Final[Mapping[str, str]] = MappingProxyType({
    "pareto": "The objectives of all complete trials. Numbers are those of the trials that no other beats in all of them.",
    "history": "Objectives over trials, the best so far as a line; crosses are trials without values.",
    "importance": "What tells the best trials from the others, by field (PED-ANOVA).",
    "slice": "Each objective over each field.",
    "contour": "Each objective over two fields, linear between trials; brighter is better.",
})  # fmt: skip
"""By figure, in the order of the page."""


class Line(NamedTuple):
    """A trial in a table. `values` and `results` pair what is printed with what is sorted by; `n` of `best_<n>.yaml`."""

    n: int | None
    trial: Tried
    values: tuple[tuple[str, str], ...]
    results: tuple[tuple[str, str], ...]
    tip: str


def render_sweep(subject: Subject, record: Record, figures: Mapping[str, bytes], suites: Mapping[str, str]) -> str:
    """A whole HTML document that needs no other file and no network. `figures` are PNG files by kind, `suites` the best
    trials' in the order of `record.best`, by file name."""
    ranks = {trial.number: n for n, trial in enumerate(record.best, start=1)}
    lines = [_line(record, trial, ranks.get(trial.number)) for trial in record.trials]
    views = [figure_view(name, content, CAPTIONS) for name, content in figures.items()]
    return render_document(
        TEMPLATE, record=record, subject=subject, summary=summary(record), arrows=ARROWS,
        names=short_names(list(record.space)), describe=describe,
        best=sorted((line for line in lines if line.n is not None), key=lambda line: line.n or 0), lines=lines,
        figures=sorted(views, key=lambda view: view.place), suites=suites, warnings=[*_warnings(record)],
        suite=yaml.safe_dump(subject.suite.document, sort_keys=False, allow_unicode=True, width=100),
        environment=[*flatten(describe_environment())], data=[],
    )  # fmt: skip


def _line(record: Record, trial: Tried, n: int | None) -> Line:
    values = record.values(trial) if trial.parameters else dict.fromkeys(record.space)
    pairs = zip(record.objectives, trial.results, strict=True) if trial.results else ()
    printed = tuple((f"{result:.{each.decimals}f}", repr(result)) for each, result in pairs)
    missing = (("n/a", ""),) * len(record.objectives)
    return Line(n, trial, tuple(_field(value) for value in values.values()), printed or missing, _tip(trial))


def _field(value: Any) -> tuple[str, str]:
    """As printed, and in full: pages sort by that."""
    parameter = as_parameter(value)
    return shown(parameter), str(parameter)


def _tip(trial: Tried) -> str:
    lines = [f"trial {trial.number}, {trial.state}"]
    if trial.seconds is not None:
        lines.append(f"{trial.seconds:.0f} s")
    for name, keys in (("trainings", trial.trainings), ("scores", trial.scores)):
        lines += [f"{name} {', '.join(key[:8] for key in keys)}"] if keys else []
    return "\n".join([*lines, trial.note] if trial.note else lines)


def _warnings(record: Record) -> Iterator[str]:
    """Failures by reason: many trials fail of one."""
    failed: dict[str, list[str]] = {}
    for trial in record.trials:
        if trial.state == "failed":
            failed.setdefault(trial.note, []).append(str(trial.number))
    for reason, numbers in failed.items():
        yield f"trial{'s' if len(numbers) > 1 else ''} {', '.join(numbers)}: {reason}"
