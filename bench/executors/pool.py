"""Several jobs at a time on this machine, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from bench.executors.attempt import Attempt
from bench.executors.base import ALONE, Outcome, Watcher, pending
from bench.executors.seat import Seat, work_at
from bench.executors.shift import POLL_SECONDS, Shift
from bench.job import Job
from bench.store import Store

if TYPE_CHECKING:
    from bench.train.execution import Execution

PRELOADED = ("bench.train.stage", "bench.evaluate")
"""Imported once, by the server that every job's process is forked from: seconds that no job waits for."""


class PoolExecutor:
    """Up to `workers` jobs at a time. A process that dies takes its own job with it and no other.

    Processors are divided among the jobs; GPUs are handed out one a job, in turn. The same bits as one job after the other
    where each job has as many threads.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, jobs: Sequence[Job], store: Store, execution: Execution, watcher: Watcher) -> Outcome:
        left = pending(jobs, store)
        outcome = Outcome(cached=[job.key for job in jobs if job.key not in left])
        return _PoolShift(self.workers, store, execution, watcher, outcome).run(list(left.values()))


@dataclass
class _Running:
    """A job's process. `tried` is what it has said of its end, or why it was ended."""

    job: Job
    seat: Seat
    process: BaseProcess
    started: float
    tried: Attempt | None = None


class _PoolShift(Shift):
    """One run of the pool: who works at what."""

    def __init__(self, workers: int, store: Store, execution: Execution, watcher: Watcher, outcome: Outcome) -> None:
        super().__init__(store, watcher, outcome)
        self.workers = workers
        self.execution = execution
        self.running: dict[Connection, _Running] = {}

    def under_way(self) -> Collection[Job]:
        return [running.job for running in self.running.values()]

    def has_room(self) -> bool:
        return len(self.running) < self.workers

    def stop(self) -> None:
        for running in self.running.values():
            running.process.terminate()
        for running in self.running.values():
            running.process.join()

    def start(self, job: Job) -> None:
        taken = {running.seat.number for running in self.running.values()}
        number = next(n for n in range(self.workers) if n not in taken)
        seat = Seat(number, 1 if job.kind in ALONE else self.workers)
        here, there = multiprocessing.Pipe()
        process = _forkserver().Process(target=work_at, args=(seat, there, job, self.store.root, self.execution))
        self.watcher.started(job)
        process.start()
        there.close()
        self.running[here] = _Running(job, seat, process, time.monotonic())

    def listen(self) -> None:
        for connection in wait(list(self.running), POLL_SECONDS):
            assert isinstance(connection, Connection)
            running = self.running[connection]
            try:
                message = connection.recv()
            except (EOFError, ConnectionResetError):
                self._see_off(connection, running)
                continue
            if isinstance(message, Attempt):
                running.tried = running.tried or message
            elif running.tried is None and (reason := self.pass_on(message)) is not None:
                running.tried = Attempt(failure=reason)
                running.process.terminate()

    def _see_off(self, connection: Connection, running: _Running) -> None:
        running.process.join()
        del self.running[connection]
        connection.close()
        tried = running.tried or Attempt(failure=_death(running.job, running.process))
        self.conclude(running.job, tried, time.monotonic() - running.started)


def _death(job: Job, process: BaseProcess) -> str:
    code = process.exitcode or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with status {code}"
    hint = ", as the system does when memory is short" if code == -signal.SIGKILL else ""
    resume = "; the same command goes on from its last checkpoint" if job.kind == "train" else ""
    return f"{job.label}: its process {how}{hint}{resume}"


def _forkserver() -> Any:
    """Processes begin with torch imported, and with nothing of what this one has done since."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    return context
