"""A study as plain data: what files and figures are made from."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, Literal, TypeAlias

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.exceptions import ExperimentalWarning
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import FrozenTrial, TrialState

from bench.sweep.front import nondominated
from bench.sweep.objectives import Objective
from bench.sweep.space import Space, as_values

ERROR, SECONDS, TRAININGS, SCORES = "error", "seconds", "trainings", "scores"
"""Attributes of a trial: why it has no values, how long it took, the keys of its own trainings and of its scores."""

State: TypeAlias = Literal["complete", "pruned", "failed", "running", "waiting"]

STATES: Mapping[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "running",
    TrialState.WAITING: "waiting",
}

TOP = 5
"""Trials that are shown of a single objective; also those that importances look for the marks of, where a tenth is less."""


@dataclass(frozen=True)
class Tried:
    """One trial. `parameters` are the values of the fields as Optuna has them, {} before they are drawn; `results` in the order
    of the objectives, () unless it is complete."""

    number: int
    state: State
    parameters: Mapping[str, Any]
    results: tuple[float, ...] = ()
    seconds: float | None = None
    trainings: tuple[str, ...] = ()
    scores: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Record:
    """All trials of a study in the order of their numbers, but for attempts that were made again."""

    name: str
    space: Space
    objectives: tuple[Objective, ...]
    trials: tuple[Tried, ...]

    @property
    def complete(self) -> Sequence[Tried]:
        return [trial for trial in self.trials if trial.state == "complete"]

    @property
    def costs(self) -> NDArray[np.float64]:
        """Of the complete trials (trials, objectives): less is better in all."""
        signs = [each.sign for each in self.objectives]
        return np.array([trial.results for trial in self.complete]).reshape(-1, len(signs)) * signs

    @cached_property
    def best(self) -> Sequence[Tried]:
        """The trials that no other beats in all objectives, of a single objective the `TOP` best; of equal ones the first.

        The best in the first objective comes first.
        """
        complete, costs = self.complete, self.costs
        if len(self.objectives) > 1:
            found = [trial for trial, kept in zip(complete, nondominated(costs), strict=True) if kept]
        else:
            found = list({trial.results: trial for trial in reversed(complete)}.values())
        ordered = sorted(found, key=lambda trial: trial.results[0] * self.objectives[0].sign)
        return ordered if len(self.objectives) > 1 else ordered[:TOP]

    def values(self, trial: Tried) -> dict[str, Any]:
        """What the fields of the suite are set to."""
        return as_values(self.space, trial.parameters)

    def count(self, state: State) -> int:
        return sum(trial.state == state for trial in self.trials)


def read_record(study: optuna.Study, space: Space, objectives: Sequence[Objective]) -> Record:
    """What the study holds now."""
    trials = study.get_trials(deepcopy=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        repeated = {number for trial in trials for number in RetryHeartbeatStaleTrialCallback.retry_history(trial)}
    kept = tuple(_tried(trial) for trial in trials if trial.number not in repeated)
    return Record(study.study_name, space, tuple(objectives), kept)


def _tried(trial: FrozenTrial) -> Tried:
    attributes, state = trial.user_attrs, STATES[trial.state]
    return Tried(
        trial.number, state, trial.params, tuple(trial.values) if state == "complete" else (), attributes.get(SECONDS),
        tuple(attributes.get(TRAININGS, ())), tuple(attributes.get(SCORES, ())), attributes.get(ERROR, ""),
    )  # fmt: skip


def importances(study: optuna.Study, objectives: Sequence[Objective]) -> tuple[Mapping[str, float], ...]:
    """For each objective the share of each field in what tells its best trials from the others (PED-ANOVA, Watanabe et al.,
    IJCAI 2023); () below ten complete trials, of which one would tell nothing."""
    complete = sum(trial.state is TrialState.COMPLETE for trial in study.get_trials(deepcopy=False))
    if complete < 2 * TOP:
        return ()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it remarks that less is better, which holds for costs
        evaluator = PedAnovaImportanceEvaluator(target_quantile=max(0.1, TOP / complete))
        costs = [partial(_cost, i, each) for i, each in enumerate(objectives)]
        return tuple(get_param_importances(study, evaluator=evaluator, target=cost) for cost in costs)


def _cost(index: int, objective: Objective, trial: FrozenTrial) -> float:
    return float(trial.values[index] * objective.sign)
