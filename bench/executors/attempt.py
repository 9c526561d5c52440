"""One attempt at a job: done, or the reason why not."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.execute import OnProgress, run_job
from bench.job import Job
from bench.store import Store, reason

if TYPE_CHECKING:
    from bench.train.execution import Execution


def attempt(job: Job, store: Store, execution: Execution, tell: OnProgress) -> str | None:
    """None once the store has the job's result; else one sentence for the table. Ctrl-C and SIGTERM pass."""
    try:
        run_job(job, store, execution, tell)
    except Exception as error:  # one job's fault is not the suite's
        return _explain(error, job, store)
    return None


def _explain(error: Exception, job: Job, store: Store) -> str:
    """The traceback of what was not foreseen goes to a file beside the job's work."""
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
