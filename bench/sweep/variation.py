"""The suites of trials: one suite with other values in it, and the plan of one of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from bench.document import assigned
from bench.errors import SuiteError
from bench.job import Job
from bench.plan import Plan, make_plan
from bench.suite import Figures, Suite, build_suite
from bench.sweep.config import Sweep
from bench.sweep.space import Values, probes
from methods.base import suggest

SECTION = "sweep"


@dataclass(frozen=True)
class Subject:
    """A suite with a sweep; `cache` is where digests of its images are remembered."""

    suite: Suite
    sweep: Sweep
    cache: Path

    @property
    def where(self) -> str:
        """The section, for error messages."""
        return f"{self.suite.path}: {SECTION}"

    def vary(self, values: Values) -> Suite:
        """The whole suite with these values, as a trial or a reader runs it: no sweep. Raises SuiteError."""
        plain = {name: value for name, value in self.suite.document.items() if name != SECTION}
        return build_suite(self.suite.path, self.suite.profile, assigned(plain, values, f"{self.where}.space"))

    def plan(self, values: Values) -> Plan:
        """The plan of the swept row with these values: neither other rows nor other test sets, no timing."""
        suite = self.vary(values)
        lean = {
            "data": suite.data().model_copy(update={"ood": {}}),
            "measure": None,
            "figures": Figures(),
            "reference": None,
        }
        rows = tuple(row for row in suite.rows if row.label == self.sweep.row)
        return make_plan(replace(suite, file=suite.file.model_copy(update=lean), rows=rows), self.cache)

    def check_values(self) -> None:
        """Raises SuiteError if the row is unknown, or a field of the space, or a value that a field may get is none for it."""
        labels = tuple(row.label for row in self.suite.rows)
        if self.sweep.row not in labels:
            raise SuiteError(f"{self.where}.row: no row is named {self.sweep.row!r}{suggest(self.sweep.row, labels)}")
        for field, dimension in self.sweep.space.items():
            for value in probes(dimension):
                self._check_value(field, value)

    def _check_value(self, field: str, value: object) -> None:
        try:
            self.vary({field: value})
        except SuiteError as error:
            place = f"{self.where}.space.{field}: "
            problem = str(error).removeprefix(place).removeprefix(f"{self.suite.path}: ")
            raise SuiteError(place + problem) from None

    def own_jobs(self) -> frozenset[str]:
        """The labels of the jobs that depend on the space: every trial's own. Raises SuiteError for a field that changes
        nothing of the row."""
        return frozenset().union(*(self._changed(field, *probes(each)[:2]) for field, each in self.sweep.space.items()))

    def _changed(self, field: str, one: object, other: object) -> frozenset[str]:
        plans = [self.plan({field: value}) for value in (one, other)]
        keys = [{(job.label, job.key) for job in trial_jobs(plan)} for plan in plans]
        if keys[0] == keys[1]:
            problem = f"changes nothing of row {self.sweep.row!r}, which is the same with {one!r} and {other!r}"
            raise SuiteError(f"{self.where}.space.{field}: {problem}")
        return frozenset(label for label, _ in keys[0] ^ keys[1])


def open_subject(suite: Suite, cache: Path) -> Subject:
    """Raises SuiteError if the suite has no sweep, or one of fields and values that it cannot have."""
    if suite.file.sweep is None:
        raise SuiteError(f"{suite.path}: {SECTION}: this suite has no such section; see suites/sweep_fusion.yaml")
    subject = Subject(suite, suite.file.sweep, cache)
    subject.check_values()
    return subject


def trial_jobs(plan: Plan) -> Sequence[Job]:
    """What a trial runs: all but the copy of the test images that figures are drawn from."""
    return [job for job in plan.jobs if job.kind != "pairs"]
