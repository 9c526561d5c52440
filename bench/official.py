"""`weights: official` of a suite's row: which released checkpoints it means, what they need, where they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench import weights
from bench.errors import BenchError, Unavailable
from bench.registry import Checkpoint
from bench.row import Row
from methods.base import Task, suggest

OFFICIAL = "official"


def is_official(value: object) -> bool:
    """Whether a row's `weights` name released checkpoints: `official` or `official:NAME`."""
    return isinstance(value, str) and (value == OFFICIAL or value.startswith(f"{OFFICIAL}:"))


def choose(value: str, method: str, task: Task, stage: str = "") -> dict[str, Checkpoint]:
    """The checkpoints that `value` means, by the stage that each replaces; only `stage`'s where one is given.

    Raises BenchError where the registry has none, with what it has for the method.
    """
    known = weights.released(method)
    name = value.partition(":")[2]
    found = _named(known, name) if name else _default(known, task)
    found = [entry for entry in found if stage in ("", entry.stage)]
    if found:
        return {entry.stage: entry for entry in found}
    whose = f"stage {stage!r} of {method}" if stage else method
    what = f"released weights {name!r}" if name else f"official weights for {task.name}"
    names = tuple(entry.name for entry in known)
    hint = suggest(name, names) if names else "; none of its checkpoints are registered"
    raise BenchError(f"{whose} has no {what}{hint}; write `train`, or the path of a file")


def _named(known: Sequence[Checkpoint], name: str) -> list[Checkpoint]:
    return [entry for entry in known if name in (entry.name, entry.release)]


def _default(known: Sequence[Checkpoint], task: Task) -> list[Checkpoint]:
    """Those of the task, of the first release that works at its size and scale, else of the first (which says why not)."""
    candidates = [entry for entry in known if task.name in entry.tasks]
    fitting = [entry for entry in candidates if unfit(entry, task) is None] or candidates
    return [entry for entry in fitting if _release(entry) == _release(fitting[0])]


def _release(entry: Checkpoint) -> str:
    return entry.release or entry.name


def unfit(entry: Checkpoint, task: Task) -> str | None:
    """Why the checkpoint cannot do the task, or None if it can. A size of 0 is not known before the images are."""
    if entry.scale is not None and entry.scale != task.scale:
        return f"{entry.file} enlarges {entry.scale} times, the task {task.scale} times"
    if entry.side is not None and task.size not in (0, entry.side):
        return f"{entry.file} works at {entry.side} px, the suite's images have {task.size} px"
    return None


def locate(entry: Checkpoint, task: Task) -> Path:
    """Path of the verified file. Raises Unavailable, with the way to supply everything of its release, or WeightsError."""
    if reason := unfit(entry, task):
        raise Unavailable(reason)
    if weights.find_file(entry.file) is None:
        together = [other.name for other in weights.find_all(_release(entry))]
        raise Unavailable(f"{entry.file} is not on this machine: {weights.missing(together)}")
    return weights.verify(entry.name)


class Contradiction(NamedTuple):
    """A field of a row, by its path, that is not what a checkpoint needs."""

    path: str
    found: Any
    wanted: Any


def contradictions(wanted: Mapping[str, Any], row: Row) -> Iterator[Contradiction]:
    """Wherever the row's configuration, or that of its peers, is not `wanted`, the config of a checkpoint."""
    config = row.config.model_dump(mode="json")
    for field, value in wanted.items():
        if field in row.peers:
            yield from _peer_contradictions(field, row.peers[field], value)
        elif field != "weights":
            yield from _differences(field, config.get(field), value)


def _peer_contradictions(role: str, peer: Row, wanted: Mapping[str, Mapping[str, Any]]) -> Iterator[Contradiction]:
    [(method, config)] = wanted.items()
    if peer.method != method:
        yield Contradiction(role, peer.method, method)
        return
    if "weights" in config and not peer.weights:
        yield Contradiction(f"{role}.weights", "train", config["weights"])
    for path, found, value in contradictions(config, peer):
        yield Contradiction(f"{role}.{path}", found, value)


def _differences(path: str, found: Any, wanted: Any) -> Iterator[Contradiction]:
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for field, value in wanted.items():
            yield from _differences(f"{path}.{field}", found.get(field), value)
    elif found != wanted:
        yield Contradiction(path, found, wanted)
