"""Several jobs at a time on this machine, each in a process of its own."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from bench.executors.attempt import Attempt
from bench.executors.base import ALONE, Outcome, Watcher
from bench.executors.seat import Seat, work_at
from bench.job import Job
from bench.store import Store
from bench.train.interrupt import Interrupt, deferred

if TYPE_CHECKING:
    from bench.train.execution import Execution

PRELOADED = ("bench.train.stage", "bench.evaluate")
"""Imported once, by the server that every job's process is forked from: seconds that no job waits for."""

POLL_SECONDS = 0.5
"""Between two looks at whether the run is to stop."""


class PoolExecutor:
    """Up to `workers` jobs at a time. A process that dies takes its own job with it and no other.

    Processors are divided among the jobs; GPUs are handed out one a job, in turn. The same bits as one job after the other
    where each job has as many threads.
    """

    def __init__(self, workers: int) -> None:
        self.workers = workers

    def run(self, jobs: Sequence[Job], store: Store, execution: Execution, watcher: Watcher) -> Outcome:
        cached = [job.key for job in jobs if store.has(job.key)]
        left = sorted((job for job in jobs if job.key not in set(cached)), key=lambda job: job.kind in ALONE)
        shift = _Shift(self.workers, store, execution, watcher, Outcome(cached=cached))
        with deferred() as interrupt:
            try:
                shift.work(left, interrupt)
            finally:
                shift.stop()
        return shift.outcome


@dataclass
class _Running:
    """A job's process. `tried` is what it has said of its end."""

    job: Job
    seat: Seat
    process: BaseProcess
    started: float
    tried: Attempt | None = None


@dataclass
class _Shift:
    """One run of the pool: who works at what, and what has become of the rest."""

    workers: int
    store: Store
    execution: Execution
    watcher: Watcher
    outcome: Outcome
    running: dict[Connection, _Running] = field(default_factory=dict)

    def work(self, jobs: Sequence[Job], interrupt: Interrupt) -> None:
        """Until every job is done or failed. Raises what the interrupt asks for."""
        left = list(jobs)
        while left or self.running:
            left = [job for job in left if not self._begin(job)]
            if left and not self.running:  # an input was found damaged and is gone; the job's failure says so
                self._start(left.pop(0))
            self._listen()
            interrupt.obey()

    def stop(self) -> None:
        """Ask every process to save and leave, and wait until it has."""
        for running in self.running.values():
            running.process.terminate()
        for running in self.running.values():
            running.process.join()

    def _begin(self, job: Job) -> bool:
        """Whether the job needs no further thought: it runs now, or it cannot run any more."""
        if (blocked := self.outcome.blocked_by(job)) is not None:
            self.outcome.failed[job.key] = blocked
            return True
        if not self._has_room(job) or not all(map(self.store.has, job.inputs.values())):
            return False
        self._start(job)
        return True

    def _has_room(self, job: Job) -> bool:
        if job.kind in ALONE:
            return not self.running
        return len(self.running) < self.workers and not any(r.job.kind in ALONE for r in self.running.values())

    def _start(self, job: Job) -> None:
        taken = {running.seat.number for running in self.running.values()}
        number = next(n for n in range(self.workers) if n not in taken)
        seat = Seat(number, 1 if job.kind in ALONE else self.workers)
        here, there = multiprocessing.Pipe()
        process = _forkserver().Process(target=work_at, args=(seat, there, job, self.store.root, self.execution))
        self.watcher.started(job)
        process.start()
        there.close()
        self.running[here] = _Running(job, seat, process, time.monotonic())

    def _listen(self) -> None:
        """Pass on what the processes tell, and see off those that are over."""
        for connection in wait(list(self.running), POLL_SECONDS):
            assert isinstance(connection, Connection)
            running = self.running[connection]
            try:
                message = connection.recv()
            except (EOFError, ConnectionResetError):
                self._see_off(connection, running)
                continue
            if isinstance(message, Attempt):
                running.tried = message
            else:
                self.watcher.progressed(message)

    def _see_off(self, connection: Connection, running: _Running) -> None:
        running.process.join()
        del self.running[connection]
        connection.close()
        job, tried = running.job, running.tried or Attempt(failure=_death(running.job, running.process))
        if tried.failure is not None:
            self.outcome.failed[job.key] = tried.failure
            self.watcher.failed(job, tried.failure)
        else:
            (self.outcome.done if tried.worked else self.outcome.cached).append(job.key)
            self.watcher.finished(job, time.monotonic() - running.started)


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
