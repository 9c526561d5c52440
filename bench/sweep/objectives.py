"""What a sweep is after: metrics of its row, as numbers that Optuna compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

from bench.errors import BenchError, SuiteError, Unavailable
from bench.metrics.names import check_name, spec
from bench.plan import Plan
from bench.report.model import MAIN_TEST, Direction
from bench.store import Store
from bench.sweep.variation import Subject
from methods.base import suggest


@dataclass(frozen=True)
class Objective:
    """A metric: its name in the suite, how tables call it and which way is better."""

    name: str
    label: str
    direction: Direction
    decimals: int

    @property
    def sign(self) -> float:
        """Times a value: a cost, of which less is better."""
        return -1.0 if self.direction == "up" else 1.0


def find_objectives(subject: Subject, plan: Plan) -> tuple[Objective, ...]:
    """The objectives in the suite's order. Raises SuiteError for one that `plan`, of the row, does not measure, Unavailable
    for one that this machine cannot."""
    return tuple(_objective(name, goal, subject, plan) for name, goal in subject.sweep.objectives.items())


def _objective(name: str, goal: str, subject: Subject, plan: Plan) -> Objective:
    where = f"{subject.where}.objectives.{name}"
    try:
        check_name(name)
    except BenchError as error:
        raise SuiteError(f"{where}: {error}") from None
    if name not in subject.suite.file.metrics:
        raise SuiteError(f"{where}: not among the suite's metrics{suggest(name, subject.suite.file.metrics)}")
    if name in plan.unavailable:
        raise Unavailable(f"{where}: {plan.unavailable[name]}")
    if any(name not in job.spec["metrics"] for job in plan.jobs if job.kind == "score"):
        raise SuiteError(f"{where}: row {subject.sweep.row!r} is not measured by it")
    about = spec(name)
    best = "max" if about.higher_is_better else "min"
    if goal != best:
        raise SuiteError(
            f"{where}: {about.label} is better the {'larger' if best == 'max' else 'smaller'}; write {best}"
        )
    return Objective(name, about.label, "up" if best == "max" else "down", about.decimals)


def measured(plan: Plan, store: Store, objectives: Sequence[Objective]) -> list[float]:
    """Each objective's mean over seeds of its mean over test images. Raises BenchError for one that is not finite."""
    import pandas as pd

    scores = plan.rows[0].scores[MAIN_TEST].values()
    seeds = [pd.read_parquet(store.path(key) / "rows.parquet").groupby("metric").value.mean() for key in scores]
    values = {each.name: float(sum(seed[each.name] for seed in seeds) / len(seeds)) for each in objectives}
    for name, value in values.items():
        if not isfinite(value):
            raise BenchError(f"{name} is {value}")
    return list(values.values())
