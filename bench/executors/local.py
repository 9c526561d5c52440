"""One job after the other in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.executors.attempt import attempt
from bench.executors.base import GPU_FAILED, Outcome, Watcher
from bench.job import Job
from bench.store import Store

if TYPE_CHECKING:
    from bench.train.execution import Execution


class LocalExecutor:
    """A failed job fails alone: what does not depend on it goes on. Ctrl-C and SIGTERM end the run, resumable.

    Only when the GPU fails is nothing more begun: it refuses all work of this process, and the CPU is not what was asked for.
    """

    def run(self, jobs: Sequence[Job], store: Store, execution: Execution, watcher: Watcher) -> Outcome:
        outcome, lost = Outcome(), None
        for job in jobs:
            if store.has(job.key):
                outcome.cached.append(job.key)
            elif (blocked := outcome.blocked_by(job) or lost) is not None:
                outcome.failed[job.key] = blocked
            elif self._one(job, store, execution, watcher, outcome):
                lost = GPU_FAILED.format(job.label)
        return outcome

    def _one(self, job: Job, store: Store, execution: Execution, watcher: Watcher, outcome: Outcome) -> bool:
        """Whether the GPU was lost by it."""
        watcher.started(job)
        started = time.monotonic()
        tried = attempt(job, store, execution, watcher.progressed)
        if tried.failure is not None:
            outcome.failed[job.key] = tried.failure
            watcher.failed(job, tried.failure)
        else:
            (outcome.done if tried.worked else outcome.cached).append(job.key)
            watcher.finished(job, time.monotonic() - started)
        return tried.device_lost
