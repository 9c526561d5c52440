"""One attempt at a job: done, or the reason why not."""

from __future__ import annotations

import gc
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.execute import OnProgress, run_job
from bench.failure import explain, is_device_lost
from bench.job import Job
from bench.store import Store

if TYPE_CHECKING:
    from bench.train.execution import Execution


@dataclass(frozen=True)
class Failure:
    """Why a job is not done, in one sentence for the table, and whether this process's GPU was lost by it."""

    reason: str
    device_lost: bool = False


def attempt(job: Job, store: Store, execution: Execution, tell: OnProgress) -> Failure | None:
    """None once the store has the job's result. Ctrl-C and SIGTERM pass."""
    try:
        run_job(job, store, execution, tell)
    except Exception as error:  # one job's fault is not the suite's
        failure = Failure(explain(error, job, store), is_device_lost(error))
    else:
        return None
    _release_memory()
    return failure


def _release_memory() -> None:
    """What a failed job held; its error, whose traceback held on to it, is gone."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        with suppress(RuntimeError):  # of a GPU that is lost
            torch.cuda.empty_cache()
