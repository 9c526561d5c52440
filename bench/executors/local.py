"""One job after the other in this process."""

from __future__ import annotations

import time
import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.execute import run_job
from bench.executors.base import Outcome, Watcher
from bench.job import Job
from bench.store import Store, reason

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
        try:
            run_job(job, store, execution, watcher.progressed)
        except Exception as error:  # one job's fault is not the suite's
            message = _explain(error, job, store)
            outcome.failed[job.key] = message
            watcher.failed(job, message)
        else:
            outcome.done.append(job.key)
            watcher.finished(job, time.monotonic() - started)


def _explain(error: Exception, job: Job, store: Store) -> str:
    """One sentence for the table; the traceback of what was not foreseen goes to a file beside the job's work."""
    if isinstance(error, BenchError):
        return str(error)
    if isinstance(error, OSError):
        return f"{job.label}: {reason(error)}{f' ({error.filename})' if error.filename else ''}"
    trace = store.folder / ".work" / f"{job.key}.error.txt"
    try:
        trace.write_text("".join(traceback.format_exception(error)))
    except OSError:
        return f"{job.label}: {type(error).__name__}: {error}"
    return f"{job.label}: {type(error).__name__}: {error} (traceback in {trace})"
