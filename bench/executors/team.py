"""The jobs of a run by all processes of a team: trainings together, everything else each its part of what is ready."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from bench.execute import TOGETHER, Progress, Workplace, do
from bench.executors.attempt import Attempt, attempt
from bench.executors.base import ALONE, GPU_FAILED, Outcome, Watcher
from bench.job import Job
from bench.store import Store
from bench.team import Team, find_team, join_team, leave_team

if TYPE_CHECKING:
    from bench.train.execution import Execution


@dataclass(frozen=True)
class Apart:
    """An order of the first process: of these jobs, the first is its own, the next the second process', and so on."""

    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class Over:
    """The order that nothing follows."""


Order: TypeAlias = Apart | Job | Over
"""A job by itself is done by all, see `bench.execute.run_job`."""


class TeamExecutor:
    """For the first process of a team, inside `leading`; the others `follow`. Trainings go first where they are ready.

    A failed job fails alone, as with one process, if all processes agree that it has; a process that dies ends the run.
    """

    def run(self, jobs: Sequence[Job], store: Store, execution: Execution, watcher: Watcher) -> Outcome:
        team = find_team()
        outcome = Outcome(cached=[job.key for job in jobs if store.has(job.key)])
        left = [job for job in jobs if not store.has(job.key)]
        while left := _drop_blocked(left, outcome):
            # None is ready where an input was found damaged and is gone; the first job's failure says so.
            ready = [job for job in left if all(map(store.has, job.inputs.values()))] or left[:1]
            wave = _next_wave(ready, team.size)
            left = [job for job in left if job not in wave]
            if (lost := _run_wave(wave, team, _Setting(store, execution, watcher, outcome))) is not None:
                outcome.failed.update({job.key: GPU_FAILED.format(lost.label) for job in left})
                left = []
        return outcome


@dataclass(frozen=True)
class _Setting:
    store: Store
    execution: Execution
    watcher: Watcher
    outcome: Outcome


@contextmanager
def leading() -> Iterator[None]:
    """What the first process does; at the end the others may leave, unless a signal ends them, too."""
    team = join_team()
    try:
        yield
    except Exception:
        team.tell(Over())
        raise
    team.tell(Over())
    leave_team()


def follow(store: Store, execution: Execution) -> None:
    """Do what the first process orders, until it says that the run is over; for every other process of a team."""
    team = join_team()
    while not isinstance(order := team.tell(_nothing()), Over):
        if isinstance(order, Apart):
            own = order.jobs[team.rank : team.rank + 1]
            team.gather([attempt(job, store, execution, _say_nothing) for job in own])
        else:
            _help(order, store, execution)
    leave_team()


def _help(job: Job, store: Store, execution: Execution) -> None:
    """Our part of a job that all do together; its failure is the first process' to report, as it has it too."""
    try:
        do(job, Workplace(store, store.work(job.key), execution, _say_nothing))
    except Exception:
        return


def _drop_blocked(jobs: list[Job], outcome: Outcome) -> list[Job]:
    """The jobs whose inputs have not failed."""
    left = []
    for job in jobs:
        if (blocked := outcome.blocked_by(job)) is not None:
            outcome.failed[job.key] = blocked
        else:
            left.append(job)
    return left


def _next_wave(ready: Sequence[Job], size: int) -> list[Job]:
    """The next training; where none is ready, up to `size` jobs for a process each; jobs whose result is a time one by one."""
    if trainings := [job for job in ready if job.kind in TOGETHER]:
        return trainings[:1]
    return [job for job in ready if job.kind not in ALONE][:size] or list(ready[:1])


def _run_wave(wave: Sequence[Job], team: Team, at: _Setting) -> Job | None:
    """The job that lost a GPU, if one did."""
    for job in wave:
        at.watcher.started(job)
    started = time.monotonic()
    if wave[0].kind not in TOGETHER:
        team.tell(Apart(tuple(wave)))
    own = attempt(wave[0], at.store, at.execution, at.watcher.progressed)
    tried = [own] if wave[0].kind in TOGETHER else [one for each in team.gather([own]) for one in each]
    for job, one in zip(wave, tried, strict=True):
        _note(job, one, time.monotonic() - started, at)
    return next((job for job, one in zip(wave, tried, strict=True) if one.device_lost), None)


def _note(job: Job, tried: Attempt, seconds: float, at: _Setting) -> None:
    if tried.failure is not None:
        at.outcome.failed[job.key] = tried.failure
        at.watcher.failed(job, tried.failure)
    else:
        (at.outcome.done if tried.worked else at.outcome.cached).append(job.key)
        at.watcher.finished(job, seconds)


def _nothing() -> Order:
    """What a follower says where the first process is heard."""
    return Over()


def _say_nothing(progress: Progress) -> None:
    """Only the first process has a view."""
