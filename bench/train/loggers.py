"""TensorBoard and Weights & Biases, as a suite's `loggers` names them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Any

from bench.errors import BenchError
from bench.execute import Workplace
from bench.job import Job
from bench.train.execution import Logger
from bench.train.log import Row
from bench.train.tracking import Tracker, Trackers

NEVER = 365 * 24 * 3600
"""Seconds between two writes by TensorBoard's own thread: we write each window ourselves, where errors can be caught."""


class TensorBoard:
    """Event files in `folder`. What a killed training logged after its checkpoint is purged when it goes on."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writer: Any = None

    def resume(self, step: int) -> bool:
        from torch.utils.tensorboard import SummaryWriter

        found = any(self._folder.glob("events.*"))
        self._writer = SummaryWriter(str(self._folder), purge_step=step + 1 if found else None, flush_secs=NEVER)
        return found

    def log(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self._writer.add_scalar(row.name, row.value, row.step)
        self._writer.flush()

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """A run of the project `suite`, below `folder` on disk. Its id is the job's key: a training that goes on is the same run.

    No step is taken twice: those that the run has already are passed over, since an exact resume would only repeat them.
    """

    def __init__(self, suite: str, job: Job, folder: Path) -> None:
        self._suite = suite
        self._job = job
        self._folder = folder
        self._first = 0
        self._run: Any = None

    def resume(self, step: int) -> bool:
        import wandb

        self._run = wandb.init(
            project=self._suite, id=self._job.key, name=self._job.label, resume="allow", dir=str(self._folder),
            config=dict(self._job.identity), settings={"console": "off"},
        )  # fmt: skip
        self._first = self._run.step
        return bool(self._run.resumed)

    def log(self, rows: Sequence[Row]) -> None:
        for step, group in groupby(rows, lambda row: row.step):
            if step >= self._first:
                self._run.log({row.name: row.value for row in group}, step=step)

    def close(self) -> None:
        self._run.finish()


@contextmanager
def open_trackers(job: Job, place: Workplace) -> Iterator[Trackers]:
    """What the execution asks for, closed at the end, whatever ends the training."""
    trackers = Trackers({name: _tracker(name, job, place) for name in place.execution.loggers})
    try:
        yield trackers
    finally:
        trackers.close()


def _tracker(name: Logger, job: Job, place: Workplace) -> Tracker:
    suite, root = place.execution.suite, place.store.root
    if name == "wandb":
        return WeightsAndBiases(suite, job, root)
    return TensorBoard(root / "tensorboard" / suite / folder_name(job))


def folder_name(job: Job) -> str:
    """The job's label, which may hold anything, and enough of its key to tell seeds and settings apart."""
    return f"{re.sub(r'[^A-Za-z0-9.+-]+', '_', job.label)}-{job.key[:8]}"


def check_loggers(loggers: Sequence[Logger]) -> None:
    """Raises BenchError, with the extra to install, if one cannot be imported."""
    for name in loggers:
        try:
            if name == "tensorboard":
                from torch.utils.tensorboard import SummaryWriter  # noqa: F401
            else:
                from wandb import init  # noqa: F401  # a folder `wandb` of old logs has none
        except ImportError as error:
            raise BenchError(f'loggers: {name}: {error}; pip install "ugpnet-bench[{name}]"') from None


def log_in(loggers: Sequence[Logger]) -> None:
    """Ask for what is missing now rather than in the middle of the work. Raises BenchError where it cannot be had."""
    if "wandb" in loggers:
        import wandb

        try:
            wandb.login()
        except Exception as error:
            raise BenchError(f"loggers: wandb: {error} (or set WANDB_MODE=offline)") from None
