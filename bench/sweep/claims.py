"""Which trial a worker takes next: one of a worker that died, or a new one, as long as there are fewer than wanted."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass

import optuna
from optuna.distributions import BaseDistribution
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.trial import FrozenTrial, TrialState, create_trial

from bench.sweep.desk import Desk
from bench.sweep.samplers import count_trials, make_sampler
from bench.sweep.variation import Subject

WORKPLACE = "folder"
"""The trial's attribute that names the folder of the worker that has it."""

FIRST = "failed_trial"
"""Optuna's attribute of a trial that is tried again: the number of the first attempt."""


@dataclass(frozen=True)
class Claims:
    """One worker's claims on trials of a study, made in turn with those at the same desk."""

    study: optuna.Study
    subject: Subject
    space: Mapping[str, BaseDistribution]
    desk: Desk

    @contextmanager
    def next_trial(self) -> Iterator[optuna.Trial | None]:
        """A trial that nobody else works on inside the block; None where as many as are wanted have begun."""
        with self.desk.turn(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # heartbeats are experimental, and ours is not Study.optimize's
            self._take_back()
            trial = self._take()
            handle = None if trial is None else self.desk.hold(trial.number)
        try:
            yield trial
        finally:
            if trial is not None and handle is not None:
                self.desk.drop(trial.number, handle)

    def _take(self) -> optuna.Trial | None:
        trials, here = self.study.get_trials(deepcopy=False), self.desk.name()
        if not any(trial.state is TrialState.WAITING for trial in trials):
            if len(begun(trials)) >= count_trials(self.subject.sweep):
                return None
            self.study.add_trial(create_trial(state=TrialState.WAITING, user_attrs={WORKPLACE: here}))
        self.study.sampler = make_sampler(self.subject.sweep, self.subject.suite.file.seed, len(begun(trials)))
        trial = self.study.ask(dict(self.space))
        trial.set_user_attr(WORKPLACE, here)
        return trial

    def _take_back(self) -> None:
        """Trials of workers that died wait again: of this desk's by their locks, at once; of others' by their silence."""
        trials = self.study.get_trials(deepcopy=False)
        repeated = {number for trial in trials for number in RetryHeartbeatStaleTrialCallback.retry_history(trial)}
        retry = RetryHeartbeatStaleTrialCallback()
        for trial in trials:
            if trial.state is TrialState.RUNNING and self._is_dead(trial):
                if trial.number not in repeated:  # the copy first: whoever dies here loses nothing
                    retry(self.study, deepcopy(trial))  # which it changes
                self.study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        fail_stale_trials(self.study)

    def _is_dead(self, trial: FrozenTrial) -> bool:
        """Its lock is let go of after its values are told: whoever ended meanwhile is no longer running now."""
        if trial.user_attrs.get(WORKPLACE) != self.desk.name() or self.desk.is_held(trial.number):
            return False
        return self.study.get_trials(deepcopy=False)[trial.number].state is TrialState.RUNNING


def begun(trials: Sequence[FrozenTrial]) -> set[int]:
    """The trials of a study by their first attempts: what was tried again counts once."""
    return {trial.system_attrs.get(FIRST, trial.number) for trial in trials}
