"""`run_job`: the one place that maps a job's kind to its work. Every executor calls this and nothing else."""

from __future__ import annotations

import importlib
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from bench.allocator import keep_freed_memory, return_freed_memory
from bench.env import package_versions
from bench.errors import StoreError
from bench.job import Job, Kind
from bench.store import Store
from bench.team import find_team

if TYPE_CHECKING:
    from bench.train.execution import Execution

WORK: Mapping[Kind, str] = {
    "pairs": "bench.freeze:freeze_pairs",
    "train": "bench.train.stage:train_stage",
    "load": "bench.adopt:adopt_weights",
    "restore": "bench.evaluate:restore_pairs",
    "score": "bench.evaluate:score_images",
    "measure": "bench.measure:measure_method",
}
"""Imported when first needed, so that a run with nothing to do starts at once."""

TOGETHER: frozenset[Kind] = frozenset({"train"})
"""Kinds that all processes of a team do together; any other is a single process' work."""


@dataclass(frozen=True)
class Progress:
    """How far a job is: `done` of `total` units, a short text such as the current loss, and a training's latest values."""

    job: Job
    done: int
    total: int
    text: str = ""
    latest: Mapping[str, float] = field(default_factory=dict)


OnProgress: TypeAlias = Callable[[Progress], None]


@dataclass(frozen=True)
class Workplace:
    """What a job's work is given: where inputs are, where to write, how to compute and whom to tell."""

    store: Store
    folder: Path
    execution: Execution
    tell: OnProgress

    def input(self, job: Job, name: str) -> Path:
        return self.store.path(job.inputs[name])


def run_job(job: Job, store: Store, execution: Execution, tell: OnProgress) -> bool:
    """Do the job unless the store has it; True if work was done. What was interrupted goes on where it was."""
    if store.has(job.key):
        return False
    with store.working(job.key) as folder:
        if store.has(job.key):  # another process finished it while we waited
            return False
        _refuse_damaged(job, store)
        if job.kind in TOGETHER:
            find_team().tell(job)  # the others wait to hear it: only from here on is there work for them
        started = time.monotonic()
        facts = do(job, Workplace(store, folder, execution, tell))
        spent = round(time.monotonic() - started, 3)
        store.commit(job, folder, {"seconds": spent, "packages": dict(package_versions()), **facts})
    return True


def do(job: Job, place: Workplace) -> Mapping[str, Any]:
    """The work itself: it leaves the job's files in `place.folder` and returns facts for its record."""
    keep_freed_memory()
    module, function = WORK[job.kind].split(":")
    work: Callable[[Job, Workplace], Mapping[str, Any]] = getattr(importlib.import_module(module), function)
    try:
        return work(job, place)
    finally:
        return_freed_memory()


def _refuse_damaged(job: Job, store: Store) -> None:
    """Verify the inputs just before they are used. What `bench.repair` has looked at in this process is not read again."""
    for name, key in job.inputs.items():
        if damaged := store.discard_damaged(key):
            raise StoreError(
                f"{job.label}: its input {name!r}, {store.path(key)}, was damaged ({', '.join(damaged[:3])}) and is discarded; "
                "the same command makes it again"
            )
