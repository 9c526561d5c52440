"""What `bench weights` does once it is parsed; each function returns its exit code."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich import box
from rich.console import Console
from rich.progress import DownloadColumn, Progress
from rich.table import Table
from rich.text import Text

from bench import weights
from bench.digest import known_digest
from bench.errors import Unavailable, WeightsError
from bench.registry import BACKBONES, RELEASED, Checkpoint, WeightFile
from bench.terminal import Terminal

WIDE = 200
"""Columns where output goes to a file or a pipe, so that a line is one entry."""


def list_weights() -> int:
    console = Terminal() if Terminal().is_terminal else Terminal(width=WIDE)
    backbones = _table("Backbones of metrics and losses", "for", "name")
    for entry in BACKBONES:
        backbones.add_row(entry.purpose, *_row(entry))
    released = _table("Released checkpoints", "method", "name")
    for checkpoint in RELEASED:
        released.add_row(checkpoint.method, *_row(checkpoint))
    console.print(backbones, released)
    console.print("`bench weights list NAME`: URL, paper, configuration", highlight=False)
    return 0


def _table(title: str, *first: str) -> Table:
    """Names stay whole at any width: they are there to be copied."""
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in (*first, "file", "size", "sha256", "licence", "here"):
        table.add_column(column, no_wrap=column in ("method", "name", "size"), overflow="fold")
    return table


def _row(entry: WeightFile) -> tuple[str, ...]:
    return entry.name, entry.file, _size(entry), _known(entry), entry.licence, _here(entry)


def show_weights(names: Sequence[str]) -> int:
    console = Terminal()
    for entry in _find_all(names):
        console.print(Text(entry.name, "bold"))
        for field, value in _facts(entry):
            console.print(Text.assemble((f"  {field:16}", "dim"), value), soft_wrap=True)  # a URL is there to be copied
    return 0


def fetch_weights(names: Sequence[str]) -> int:
    """Everything that a program can fetch; then Unavailable is raised if something is left for the user to get."""
    console, entries = Terminal(), _find_all(names)
    for entry in entries:
        if not entry.by_hand or weights.find_file(entry.file):
            console.print(f"{entry.name}: {_fetch_one(entry.name, console)}", highlight=False)
    if left := weights.missing([entry.name for entry in entries]):
        raise Unavailable(f"no program may download this: {left}")
    return 0


def verify_weights() -> int:
    console, damaged = Terminal(), 0
    for entry in weights.registry().values():
        if weights.find_file(entry.file) is None:
            continue
        try:
            console.print(_verified(entry, weights.verify(entry.name)), soft_wrap=True)
        except WeightsError as error:
            damaged += 1
            console.print(Text.assemble(("damaged  ", "red"), str(error)), soft_wrap=True)
    return 1 if damaged else 0


def _verified(entry: WeightFile, path: Path) -> Text:
    if entry.sha256:
        return Text.assemble(("ok       ", "green"), f"{entry.name}  {path}")
    found = known_digest(path)
    told = f"{entry.name}  {path}: publisher states no checksum; sha256 is {found}"
    return Text.assemble(("present  ", "yellow"), told)


def _fetch_one(name: str, console: Console) -> Path:
    with Progress(*Progress.get_default_columns(), DownloadColumn(), console=console) as progress:
        task = progress.add_task(name)
        return weights.fetch(name, lambda done, total: progress.update(task, completed=done, total=total))


def _find_all(names: Sequence[str]) -> list[WeightFile]:
    """Each once, whole releases spelled out; an unknown name is found before anything is done."""
    found = {entry.name: entry for name in names for entry in weights.find_all(name)}
    return list(found.values())


def _facts(entry: WeightFile) -> Iterator[tuple[str, str]]:
    yield "file", entry.file
    yield "url", f"{entry.url} (in a browser)" if entry.by_hand else entry.url
    yield "size", _size(entry)
    yield "sha256", entry.sha256 or "publisher states none"
    yield "licence", entry.licence
    yield "for", entry.purpose
    if isinstance(entry, Checkpoint):
        yield from _checkpoint_facts(entry)
    path = weights.find_file(entry.file)
    yield "here", str(path) if path else f"no: {weights.missing([entry.name])}"


def _checkpoint_facts(entry: Checkpoint) -> Iterator[tuple[str, str]]:
    import methods  # torch: only where the paper is asked for

    facts = methods.load(entry.method).facts
    yield "method", f"{entry.method}, in place of training {entry.stage!r}"
    yield "paper", ", ".join(filter(None, (facts.title, facts.venue, facts.arxiv and f"arXiv {facts.arxiv}")))
    yield "config", json.dumps(entry.config)
    if entry.evaluation:
        yield "evaluated with", json.dumps(entry.evaluation)
    works = [f"{entry.side} px"] * (entry.side is not None) + [f"x{entry.scale}"] * (entry.scale is not None)
    yield "works at", ", ".join(works) or "any size"
    yield "official for", ", ".join(entry.tasks) or f"no task; name it: `weights: official:{entry.name}`"


def _size(entry: WeightFile) -> str:
    if not entry.size:
        return "unknown"
    return f"{'< ' if entry.at_most else ''}{entry.size / 1e6:.0f} MB"


def _known(entry: WeightFile) -> str:
    if not entry.sha256:
        return "none"
    return "known" if len(entry.sha256) == 64 else f"{len(entry.sha256)} digits"


def _here(entry: WeightFile) -> str:
    if weights.find_file(entry.file):
        return "yes"
    return "by hand" if entry.by_hand else "no"
