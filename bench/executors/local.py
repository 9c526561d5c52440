"""One job after the other in this process."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.executors.attempt import attempt
from bench.executors.base import Outcome, Watcher
from bench.job import Job
from bench.store import Store

if TYPE_CHECKING:
    from bench.train.execution import Execution


class LocalExecutor:
    """A failed job fails alone: what does not depend on it goes on. Ctrl-C and SIGTERM end the run, resumable."""

    def run(self, jobs: Sequence[Job], store: Store, execution: Execution, watcher: Watcher) -> Outcome:
        outcome = Outcome()
        for job in jobs:
            if store.has(job.key):
                outcome.cached.append(job.key)
            elif (blocked := outcome.blocked_by(job)) is not None:
                outcome.failed[job.key] = blocked
            else:
                self._one(job, store, execution, watcher, outcome)
        return outcome

    def _one(self, job: Job, store: Store, execution: Execution, watcher: Watcher, outcome: Outcome) -> None:
        watcher.started(job)
        started = time.monotonic()
        if (failure := attempt(job, store, execution, watcher.progressed)) is not None:
            outcome.failed[job.key] = failure
            watcher.failed(job, failure)
        else:
            outcome.done.append(job.key)
            watcher.finished(job, time.monotonic() - started)
