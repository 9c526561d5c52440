"""Who chooses a trial's values, and who stops trials that fall behind."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Sequence

from optuna import Study, pruners, samplers
from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from bench.errors import Unavailable
from bench.sweep.config import Sweep
from bench.sweep.space import grid
from bench.sweep.variation import Subject

GENERATIONS = 5
"""Of a genetic sampler at least: a population of 50, as is usual, would be one generation in most sweeps of trainings."""


class WholeGrid(samplers.GridSampler):
    """Optuna's ends a study by itself, which it can do only for trials that it started itself."""

    def after_trial(
        self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None
    ) -> None: ...


def check_sampler(subject: Subject) -> None:
    """Raises Unavailable if the sampler needs a package that is not here."""
    if subject.sweep.sampler == "cmaes" and importlib.util.find_spec("cmaes") is None:
        raise Unavailable(f"{subject.where}.sampler: cmaes needs a package: pip install 'ugpnet-bench[cmaes]'")


def make_sampler(sweep: Sweep, seed: int, drawn: int) -> BaseSampler:
    """The sampler of the next trial. What it suggests is a function of the seed, of how many trials were drawn before, and
    of what is finished: the same in a sweep that was stopped and resumed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return _sampler(sweep, seed, (seed + 7919 * drawn) % 2**32)


def _sampler(sweep: Sweep, seed: int, own: int) -> BaseSampler:
    match sweep.sampler:
        case "tpe":  # with what runs elsewhere taken for bad, so that workers spread
            return samplers.TPESampler(seed=own, constant_liar=True)
        case "nsgaii":
            return samplers.NSGAIISampler(seed=own, population_size=max(4, min(50, sweep.trials // GENERATIONS)))
        case "gp":
            return samplers.GPSampler(seed=own)
        case "cmaes":
            return samplers.CmaEsSampler(seed=own)
        case "random":
            return samplers.RandomSampler(seed=own)
    return WholeGrid(grid(sweep.space), seed=seed)  # numbers its points in an order that the seed fixes


def count_trials(sweep: Sweep) -> int:
    """How many trials the study has in the end: a grid has no more than its points."""
    if sweep.sampler != "grid":
        return sweep.trials
    points = 1
    for values in grid(sweep.space).values():
        points *= len(values)
    return min(sweep.trials, points)


def make_pruner(sweep: Sweep, first: int, last: int) -> pruners.BasePruner:
    """`first` and `last`: the steps of a trial at which its validation PSNR is first and last known."""
    if sweep.pruner == "median":
        return pruners.MedianPruner()
    if sweep.pruner == "hyperband":
        return pruners.HyperbandPruner(min_resource=first, max_resource=last)
    return pruners.NopPruner()
