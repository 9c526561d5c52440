"""A worker: takes trials of a study until there are enough of them. Several share a study by running the same command."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import TrialState

from bench.errors import BenchError
from bench.executors.base import Executor, Watcher
from bench.job import Job
from bench.report.model import MAIN_TEST
from bench.store import Store
from bench.sweep.claims import Claims
from bench.sweep.objectives import Objective, measured
from bench.sweep.pruning import Course, Referee
from bench.sweep.record import ERROR, SCORES, SECONDS, TRAININGS, Record, read_record
from bench.sweep.space import Values, as_values
from bench.sweep.storage import BEAT_SECONDS
from bench.sweep.tables import write_trials
from bench.sweep.variation import Subject, trial_jobs

if TYPE_CHECKING:
    from bench.train.execution import Execution


class Spectator(Watcher, Protocol):
    """Who is told of trials as well as of their jobs."""

    def began(self, number: int, values: Values, jobs: Sequence[Job]) -> None: ...
    def ended(self, number: int, record: Record) -> None: ...


@dataclass(frozen=True)
class Result:
    """What became of a trial: its objectives, or why there are none."""

    state: TrialState
    values: list[float] | None = None
    error: str | None = None


@dataclass(frozen=True)
class Worker:
    """Everything that a trial needs. `storage` is that of `claims.study`."""

    subject: Subject
    objectives: Sequence[Objective]
    course: Course
    claims: Claims
    storage: BaseStorage
    store: Store
    execution: Execution
    executor: Executor
    spectator: Spectator

    def work(self) -> bool:
        """Take trials until the study has begun as many as it is to have, or the time is over: False, then."""
        timeout, began = self.subject.sweep.timeout, time.monotonic()
        while timeout is None or time.monotonic() - began < timeout:
            with self.claims.next_trial() as trial:
                if trial is None:
                    return True
                with self._alive(trial.number):
                    self._try(trial)
        return False

    def _try(self, trial: optuna.Trial) -> None:
        """Run the trial and tell the study. Interrupted, it stays as it is, and the next worker finds it abandoned."""
        began = time.monotonic()
        try:
            result = self._run(trial, as_values(self.subject.sweep.space, trial.params))
        except BenchError as error:  # of a combination of values that cannot be
            result = Result(TrialState.FAIL, error=str(error))
        with suppress(UpdateFinishedTrialError):  # taken back, as we were silent too long
            trial.set_user_attr(SECONDS, round(time.monotonic() - began, 3))
            if result.error is not None:
                trial.set_user_attr(ERROR, result.error)
        study = self.claims.study
        study.tell(trial.number, result.values, state=result.state, skip_if_finished=True)
        record = read_record(study, self.subject.sweep.space, self.objectives)
        write_trials(self.claims.desk.folder, record)
        self.spectator.ended(trial.number, record)

    def _run(self, trial: optuna.Trial, values: Values) -> Result:
        plan = self.subject.plan(values)
        jobs = trial_jobs(plan)
        own = [job.key for job in jobs if job.kind == "train" and job.label in self.course.labels]
        trial.set_user_attr(TRAININGS, own)
        trial.set_user_attr(SCORES, list(plan.rows[0].scores[MAIN_TEST].values()))
        self.spectator.began(trial.number, values, jobs)
        referee = Referee(self.spectator, trial, self.subject.sweep, self.course, jobs)
        outcome = self.executor.run(jobs, self.store, self.execution, referee)
        if referee.pruned:
            return Result(TrialState.PRUNED, error=next(iter(outcome.failed.values())))
        if outcome.failed:
            return Result(TrialState.FAIL, error=next(iter(outcome.failed.values())))
        return Result(TrialState.COMPLETE, measured(plan, self.store, self.objectives))

    @contextmanager
    def _alive(self, number: int) -> Iterator[None]:
        """Signs of life in a database, for workers that do not see our locks."""
        if not isinstance(self.storage, RDBStorage):
            yield
            return
        study = self.storage.get_study_id_from_name(self.claims.study.study_name)
        trial = self.storage.get_trial_id_from_study_id_trial_number(study, number)
        over = threading.Event()
        threading.Thread(target=_beat, args=(self.storage, trial, over), daemon=True).start()
        try:
            yield
        finally:
            over.set()


def _beat(storage: RDBStorage, trial: int, over: threading.Event) -> None:
    while True:
        with suppress(Exception):  # the worker itself meets a storage that stays away
            storage.record_heartbeat(trial)
        if over.wait(BEAT_SECONDS):
            return
