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
class Attempt:
    """How it went. `failure` says why the job is not done, in one sentence for the table; `worked` is False too where another
    process had done it meanwhile. With the `device_lost`, this process's GPU refuses all further work."""

    worked: bool = False
    failure: str | None = None
    device_lost: bool = False


def attempt(job: Job, store: Store, execution: Execution, tell: OnProgress) -> Attempt:
    """One job, done unless the store has it by now. Ctrl-C and SIGTERM pass."""
    try:
        return Attempt(run_job(job, store, execution, tell))
    except Exception as error:  # one job's fault is not the suite's
        failed = Attempt(failure=explain(error, job, store), device_lost=is_device_lost(error))
    _release_memory()
    return failed


def _release_memory() -> None:
    """What a failed job held; its error, whose traceback held on to it, is gone."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        with suppress(RuntimeError):  # of a GPU that is lost
            torch.cuda.empty_cache()
