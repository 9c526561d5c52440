"""What an executor is given, what it tells while it works, and what it leaves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from bench.execute import Progress
from bench.job import Job, Kind
from bench.store import Store

if TYPE_CHECKING:
    from bench.train.execution import Execution


ALONE: frozenset[Kind] = frozenset({"measure"})
"""Kinds whose result is a time: they run when nothing else does, after all others, on all processors."""

GPU_FAILED = "not begun, as the GPU failed in {!r}; the same command goes on from there"
"""Why jobs fail once the GPU refuses all work, with the label of the job that lost it."""


class Watcher(Protocol):
    """Who is told what happens; the terminal view is one."""

    def started(self, job: Job) -> None: ...
    def progressed(self, progress: Progress) -> None: ...
    def finished(self, job: Job, seconds: float) -> None: ...
    def failed(self, job: Job, reason: str) -> None: ...


class Unwatched:
    """A watcher for runs that nobody looks at."""

    def started(self, job: Job) -> None: ...
    def progressed(self, progress: Progress) -> None: ...
    def finished(self, job: Job, seconds: float) -> None: ...
    def failed(self, job: Job, reason: str) -> None: ...


@dataclass
class Outcome:
    """What became of the jobs: `done` in this run, `cached` before it, `failed` with the reason, by key.

    A job whose input failed is failed too, with the reason of that input.
    """

    done: list[str] = field(default_factory=list)
    cached: list[str] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)

    def blocked_by(self, job: Job) -> str | None:
        """The reason of a failed input, if any."""
        return next((self.failed[key] for key in job.inputs.values() if key in self.failed), None)


class Executor(Protocol):
    """Runs jobs whose inputs are done; every executor calls `bench.execute.run_job`, so results are the same."""

    def run(self, jobs: Sequence[Job], store: Store, execution: Execution, watcher: Watcher) -> Outcome: ...


def pending(jobs: Sequence[Job], store: Store) -> Mapping[str, Job]:
    """The jobs that the store lacks."""
    return {job.key: job for job in jobs if not store.has(job.key)}
