"""A study's tables: every trial for programs, the best for readers."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bench.report.render_markdown import escape_markdown
from bench.report.scores import ARROWS
from bench.store import write_atomically
from bench.sweep.record import Record, Tried
from bench.sweep.space import as_parameter, short_names


def write_trials(folder: Path, record: Record) -> None:
    """`trials.csv`, anew after every trial, so that it can be read on the way."""
    write_atomically(folder / "trials.csv", trials_csv(record, record.trials).encode())


def trials_csv(record: Record, trials: Sequence[Tried]) -> str:
    """One line per trial at full precision: number, state, seconds, every field by its path, every objective, the keys of its
    own trainings and of its scores (separated by spaces), and why it has no values."""
    names = [each.name for each in record.objectives]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["number", "state", "seconds", *record.space, *names, "trainings", "scores", "note"])
    for trial in trials:
        fields = [trial.parameters.get(field, "") for field in record.space]
        results = trial.results or [""] * len(names)
        seconds = "" if trial.seconds is None else trial.seconds
        keys = [" ".join(trial.trainings), " ".join(trial.scores)]
        writer.writerow([trial.number, trial.state, seconds, *fields, *results, *keys, trial.note])
    return text.getvalue()


def best_markdown(record: Record) -> str:
    """The best trials as a table with a line on what they are of."""
    header = best_header(record)
    lines = [f"# {escape_markdown(record.name)}", "", _line(header), _line(["---:"] * len(header))]
    lines += [_line(best_row(record, n, trial)) for n, trial in enumerate(record.best, start=1)]
    return "\n".join([*lines, "", escape_markdown(summary(record)), ""])


def best_header(record: Record) -> list[str]:
    """The first column is the n of `best_<n>.yaml`."""
    objectives = [f"{each.label} {ARROWS[each.direction]}" for each in record.objectives]
    return ["Best", "Trial", *short_names(list(record.space)).values(), *objectives]


def best_row(record: Record, n: int, trial: Tried) -> list[str]:
    """Number, fields, objectives as printed."""
    fields = [shown(as_parameter(value)) for value in record.values(trial).values()]
    pairs = zip(record.objectives, trial.results, strict=True)
    return [str(n), str(trial.number), *fields, *(f"{value:.{each.decimals}f}" for each, value in pairs)]


def summary(record: Record) -> str:
    """`18 of 20 trials complete, 2 failed; ...`."""
    complete = len(record.complete)
    others = ", ".join(
        f"{n} {state}" for state in ("pruned", "failed", "running", "waiting") if (n := record.count(state))
    )
    counted = f"{complete} of {len(record.trials)} trials complete{f', {others}' if others else ''}"
    if len(record.objectives) == 1:
        return f"{counted}."
    are = "is" if len(record.best) == 1 else "are"
    return f"{counted}; {len(record.best)} of them {are} beaten by no other in all objectives."


def shown(value: Any) -> str:
    """Four significant digits of a float, the rest as it is."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(map(escape_markdown, cells))} |"
