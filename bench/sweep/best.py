"""The best trials as suites that run: whole, with the trial's values in them and paths that hold from where they lie."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bench.document import Document
from bench.relocation import moved_path, relocated
from bench.store import write_atomically
from bench.sweep.record import Record, Tried
from bench.sweep.variation import Subject


def write_best(folder: Path, subject: Subject, record: Record) -> list[Path]:
    """`best_<n>.yaml` for the best trials, in their order; those of an earlier time go."""
    texts = {f"best_{n}.yaml": _text(folder, subject, record, trial, n) for n, trial in enumerate(record.best, start=1)}
    for name, text in texts.items():
        write_atomically(folder / name, text.encode())
    for path in folder.glob("best_*.yaml"):
        if path.name not in texts:
            path.unlink(missing_ok=True)
    return [folder / name for name in texts]


def _text(folder: Path, subject: Subject, record: Record, trial: Tried, n: int) -> str:
    document = moved(subject.vary(record.values(trial)).document, subject.suite.root, folder)
    document["name"] = f"{subject.suite.file.name}_best_{n}"
    pairs = zip(record.objectives, trial.results, strict=True)
    results = ", ".join(f"{each.label} {value:.{each.decimals}f}" for each, value in pairs)
    whose = f"of row {subject.sweep.row!r}, profile {subject.suite.profile}"
    about = f"# Trial {trial.number} of {record.name}: {results} {whose}.\n"
    return about + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


class _Dumper(yaml.SafeDumper):
    """Without aliases, which suites may not have."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def moved(document: Document, old: Path, new: Path) -> Document:
    """A suite of the folder `old` as it must read in `new`: relative paths of data, of published values and of rows' files."""
    result = relocated(document, old, new)
    if result.get("data") is not None:
        result["data"] = {**result["data"], "root": moved_path(result["data"].get("root", "."), old, new)}
    return result
