"""Trials that fall behind are stopped: the validation PSNR of their own trainings, as Optuna's pruners want it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import optuna

from bench.errors import BenchError, SuiteError
from bench.execute import Progress
from bench.executors.base import Watcher
from bench.job import Job
from bench.sweep.config import Sweep
from bench.sweep.variation import Subject

PSNR = "validation/psnr"
"""In a training's log."""


class Pruned(BenchError):
    """A trial that the pruner ended."""


@dataclass(frozen=True)
class Course:
    """The trainings that belong to each trial alone, one after the other: `first` and `last` are the steps, counted through
    all of them, of the first and the last validation."""

    labels: tuple[str, ...]
    first: int
    last: int


def find_course(subject: Subject, jobs: Sequence[Job], own: frozenset[str]) -> Course:
    """Of one trial's jobs, `own` being the labels of those that differ from trial to trial. Raises SuiteError if a pruner is
    wanted and nothing is validated."""
    trainings = [job for job in jobs if job.kind == "train" and job.label in own]
    steps = [
        step
        for offset, job in _placed(trainings)
        if (every := validates(job))
        for step in (offset + every, offset + job.units)
    ]
    if subject.sweep.pruner != "none" and (subject.suite.data().val is None or not steps):
        fields = "data.val and validate_every in the budget of a stage"
        problem = (
            f"{subject.sweep.pruner} compares validation PSNRs, and no training that depends on the space takes any"
        )
        raise SuiteError(f"{subject.where}.pruner: {problem}; set {fields}")
    return Course(tuple(dict.fromkeys(job.label for job in trainings)), min(steps, default=1), max(steps, default=1))


def _placed(trainings: Sequence[Job]) -> list[tuple[int, Job]]:
    """Each training with the steps before it."""
    before = [sum(job.units for job in trainings[:i]) for i in range(len(trainings))]
    return list(zip(before, trainings, strict=True))


def validates(job: Job) -> int:
    """Steps between two validations of a training, 0 where there is none."""
    return int(job.identity["budget"].get("validate_every") or 0)


class Referee:
    """Passes on what it hears of a trial's jobs, and ends one that the pruner gives up: its `progressed` raises Pruned."""

    def __init__(
        self, watcher: Watcher, trial: optuna.Trial, sweep: Sweep, course: Course, jobs: Sequence[Job]
    ) -> None:
        self.watcher = watcher
        self.trial = trial
        self.sign = 1.0 if "max" in sweep.objectives.values() else -1.0  # Optuna compares as it does the objective
        own = [job for job in jobs if job.kind == "train" and job.label in course.labels]
        self.before: Mapping[str, int] = {job.key: before for before, job in _placed(own)}
        self.active = sweep.pruner != "none"
        self.pruned = False

    def started(self, job: Job) -> None:
        self.watcher.started(job)

    def progressed(self, progress: Progress) -> None:
        self.watcher.progressed(progress)
        job = progress.job
        if self.active and job.key in self.before and _is_validated(progress):
            step = self.before[job.key] + progress.done
            self.trial.report(self.sign * progress.latest[PSNR], step)
            if self.trial.should_prune():
                self.pruned = True
                raise Pruned(f"{job.label}: pruned at {progress.latest[PSNR]:.2f} dB after {progress.done} steps")

    def finished(self, job: Job, seconds: float) -> None:
        self.watcher.finished(job, seconds)

    def failed(self, job: Job, reason: str) -> None:
        self.watcher.failed(job, reason)


def _is_validated(progress: Progress) -> bool:
    """The latest PSNR is of this very step."""
    every = validates(progress.job)
    return PSNR in progress.latest and bool(every) and (progress.done % every == 0 or progress.done == progress.total)
