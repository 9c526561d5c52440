"""The plan: a suite as jobs in topological order, equal work merged because equal content has equal keys."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from bench import degradations, metrics, official, weights
from bench.data.fingerprint import BATCHES_VERSION
from bench.data.sources import Source, open_source
from bench.device import recall_device
from bench.digest import known_digest
from bench.errors import BenchError, SuiteError, Unavailable
from bench.job import Job, in_order
from bench.metrics.names import spec as metric_spec
from bench.protocol import protocol_id
from bench.registry import Checkpoint
from bench.report.model import MAIN_TEST
from bench.report.reference import Reference
from bench.row import Row
from bench.suite import Suite
from methods.base import Loaded, Method, Prior, Stage, suggest


@dataclass(frozen=True)
class RowPlan:
    """What one row of the table is made from: by test set and seed the key of its scores, and the key of its measurement."""

    row: Row
    scores: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    measure: str | None = None
    unsupported: str | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TestSet:
    """Images that rows are measured on: `pairs` is the key of the job that keeps them for figures, None where a generative
    prior is judged; `identity` is what decides their pixels."""

    name: str
    ids: Sequence[str]
    skipped: Sequence[str]
    identity: Mapping[str, Any]
    pairs: str | None = None


@dataclass(frozen=True)
class Plan:
    """All jobs of a suite, inputs first, and the rows that they fill. `unavailable`: metric -> why it is n/a here."""

    suite: Suite
    jobs: tuple[Job, ...]
    rows: tuple[RowPlan, ...]
    unavailable: Mapping[str, str]
    tests: tuple[TestSet, ...] = ()
    reference: Reference | None = None

    def users(self, key: str) -> int:
        """How many jobs use a job's result."""
        return self._users[key]

    @cached_property
    def _users(self) -> Counter[str]:
        return Counter(key for job in self.jobs for key in set(job.inputs.values()))

    @cached_property
    def _places(self) -> Mapping[str, int]:
        return {job.key: place for place, job in enumerate(self.jobs)}

    def behind(self, keys: Iterable[str]) -> list[Job]:
        """The jobs that these results were made by and from, inputs first."""
        found: set[int] = set()
        waiting = [self._places[key] for key in keys]
        while waiting:
            if (place := waiting.pop()) not in found:
                found.add(place)
                waiting += (self._places[key] for key in self.jobs[place].inputs.values())
        return [self.jobs[place] for place in sorted(found)]

    def trainings(self) -> tuple[int, int]:
        """How many trainings there are, and how many it would be if no row shared one with another."""
        behind: dict[str, set[str]] = {}
        for job in self.jobs:  # inputs first
            own = {job.key} if job.kind == "train" else set()
            behind[job.key] = own.union(*(behind[key] for key in job.inputs.values()))
        scores = [key for row in self.rows for key in row.scores.get(MAIN_TEST, {}).values()]
        return sum(job.kind == "train" for job in self.jobs), sum(len(behind[key]) for key in scores)


def make_plan(suite: Suite, cache: Path | None = None) -> Plan:
    """The plan of a suite. Opens and fingerprints its data; raises what reading them raises.

    `cache` is a folder that remembers the digests of image files, so that a large folder is hashed once.
    """
    return _Planner(suite, cache).plan()


def _why_unavailable(metric: str) -> str | None:
    """Why the metric cannot be had here. Some of pyiqa's say so only when they are built."""
    if reason := metrics.availability(metric):
        return reason
    try:
        protocol_id(metric, 1)
    except Unavailable as error:
        return str(error)
    return None


def _on(test: str, label: str) -> str:
    """`label`, and on which test set if it is not the main one."""
    return label if test == MAIN_TEST else f"{label} on {test}"


class _Planner:
    def __init__(self, suite: Suite, cache: Path | None) -> None:
        self.suite = suite
        self.cache = cache
        self.file = suite.file
        self.jobs: dict[str, Job] = {}
        self.sources: dict[str, Source] = {}
        self.tests = {} if self.file.data is None else self.file.data.tests()
        self.unavailable = {name: why for name in self.file.metrics if (why := _why_unavailable(name))}
        self.operators = [{"op": operator.op, **operator.model_dump(mode="json")} for operator in self.file.degradation]
        self.degradation = {"operators": self.operators, "version": degradations.VERSION} if self.operators else None

    def plan(self) -> Plan:
        rows = tuple(self._row(row) for row in self.suite.rows)
        if all(row.unsupported for row in rows):
            reasons = "; ".join(f"{row.row.label}: {row.unsupported}" for row in rows)
            raise BenchError(f"{self.suite.path}: no method of this suite can run here ({reasons})")
        tests = tuple(self._test_set(name) for name in self.tests)
        self._check_images(tests)
        self._check_scales()
        jobs = tuple(in_order(self.jobs.values()))
        return Plan(self.suite, jobs, rows, self.unavailable, tests, self.suite.reference())

    def _check_images(self, tests: Sequence[TestSet]) -> None:
        known = tuple(name for test in tests for name in test.ids)
        for name in self.file.figures.images or ():
            if name not in known:
                raise SuiteError(
                    f"{self.suite.path}: figures.images: no test image {name!r}{suggest(name, known[:1000])}"
                )

    def _check_scales(self) -> None:
        """Networks are built for the scale that the suite says, before any image is seen."""
        for name, source in self.sources.items():
            own = source.degraded(0)
            if own is None:
                continue
            found, said = source.image(0).shape[0] // own.shape[0], self.suite.task.scale
            if found != said:
                problem = f"the pairs of data.{name} are {found} times smaller degraded, the suite says {said}"
                raise SuiteError(f"{self.suite.path}: data.scale: {problem}; write `data: {{scale: {found}}}`")

    def _test_set(self, name: str) -> TestSet:
        source = self._source(name)
        pairs = None
        if self.suite.task.name != "prior":
            identity, spec = self._test_identity(name), self._test_spec(name)
            pairs = self._add(Job("pairs", _on(name, "pairs"), identity, spec, {}, len(source.ids)))
        return TestSet(name, source.ids, source.skipped, self._test_identity(name), pairs)

    def _row(self, row: Row) -> RowPlan:
        method = row.build(self.suite.task)
        if reason := method.unsupported():
            return RowPlan(row, unsupported=reason)
        if self.file.data is None:
            return RowPlan(row, measure=self._measure(row))
        try:
            scores = {test: self._scores(row, method, test) for test in self.tests}
        except Unavailable as error:
            return RowPlan(row, unsupported=str(error))
        return RowPlan(row, scores, self._measure(row), notes=method.notes())

    def _scores(self, row: Row, method: Method, test: str) -> dict[int, str]:
        """Keys by seed; a training-free row has one result whatever the seed."""
        first: dict[str, int] = {}
        for seed in self.file.seeds:
            first.setdefault(self._score(row, method, seed, test), seed)
        return {seed: key for key, seed in first.items()}

    def _score(self, row: Row, method: Method, seed: int, test: str) -> str:
        restored = self._restore(row, method, seed, test)
        wanted = [name for name in self.file.metrics if name not in self.unavailable]
        if isinstance(method, Prior):
            wanted = [name for name in wanted if metric_spec(name).of_set]
        images = len(self._source(test).ids)
        identity = {
            "protocols": {name: protocol_id(name, images) for name in wanted},
            "test": self._test_identity(test),
        }
        spec = {"metrics": wanted, **self._test_spec(test), "restored": restored}
        return self._add(Job("score", _on(test, f"{row.label} score"), identity, spec, {"restored": restored}, images))

    def _restore(self, row: Row, method: Method, seed: int, test: str) -> str:
        inputs = {need: self._need(row, method, need, seed) for need in method.needs()}
        identity: dict[str, Any] = {"row": row.identity(), "task": self._task(), "test": self._test_identity(test)}
        if isinstance(method, Prior):
            identity["samples_seed"] = seed
        if method.parts:
            identity["parts"] = list(method.parts)
        spec = {"row": row.spec(), "task": self._task(), "seed": seed, **self._test_spec(test)}
        images = len(self._source(test).ids)
        return self._add(Job("restore", _on(test, f"{row.label} restore"), identity, spec, inputs, images))

    def _need(self, row: Row, method: Method, need: str, seed: int) -> str:
        """The key of what provides `need`: an own stage, a peer's last stage, or a backbone, the row's own or released."""
        for stage in method.stages():
            if stage.name == need:
                return self._stage(row, method, stage, seed)
        if need in method.peers:
            peer = method.peers[need]
            if not peer.stages():
                raise Unavailable(f"{row.label}: {need} {row.peers[need].label!r} has no weights to start from")
            return self._stage(row.peers[need], peer, peer.stages()[-1], seed)
        own = row.weights.get(need)
        return self._load(weights.locate(need) if own is None else own, {"backbone": need}, need)

    def _stage(self, row: Row, method: Method, stage: Stage | Loaded, seed: int) -> str:
        last = method.stages()[-1].name
        given = row.weights.get(stage.name) or (row.weights.get("") if stage.name == last else None)
        if isinstance(given, Checkpoint):
            given = official.locate(given, self.suite.task)
        if given is not None:
            return self._adopted(row, stage.name, given)
        if isinstance(stage, Loaded):
            return self._adopted(row, stage.name, stage.path)
        inputs = {need: self._need(row, method, need, seed) for need in stage.needs}
        return self._add(self._training(row, method, stage, seed, inputs))

    def _adopted(self, row: Row, stage: str, path: Path) -> str:
        spec = {"row": row.spec(), "task": self._task(), "stage": stage}
        return self._load(path, {"method": row.identity(), "stage": stage}, f"{row.label} {stage}", spec)

    def _training(self, row: Row, method: Method, stage: Stage, seed: int, inputs: Mapping[str, str]) -> Job:
        pairs = stage.data == "pairs"
        identity: dict[str, Any] = {
            "method": row.method, "version": method.version, "stage": stage.name,
            "config": stage.config.model_dump(mode="json"), "budget": stage.budget.model_dump(mode="json"),
            "train": self._source("train").fingerprint(), "batches": BATCHES_VERSION, "seed": seed,
        }  # fmt: skip
        if pairs:
            identity |= {"degradation": self.degradation, "scale": self.suite.task.scale, "data_seed": self.file.seed}
        data = self.suite.data()
        if stage.budget.select == "best_psnr" and data.val is None:
            raise SuiteError(
                f"{self.suite.path}: {row.label}: select: best_psnr needs data.val; the test images may not choose weights"
            )
        if stage.budget.validate_every and data.val:
            identity["val"] = self._source("val").fingerprint()
        spec = {
            "row": row.spec(), "task": self._task(), "stage": stage.name, "seed": seed, "data_seed": self.file.seed,
            "train": data.train.model_dump(mode="json"), "root": str(self.suite.data_root),
            "val": data.val.model_dump(mode="json") if data.val else None,
            "operators": self.operators if pairs else [],
        }  # fmt: skip
        return Job("train", f"{row.label} {stage.name}", identity, spec, inputs, stage.budget.iterations)

    def _load(self, path: Any, identity: Mapping[str, Any], label: str, spec: Mapping[str, Any] | None = None) -> str:
        identity = {**identity, "sha256": known_digest(path)}
        return self._add(Job("load", f"{label} weights", identity, {"path": str(path.absolute()), **(spec or {})}))

    def _measure(self, row: Row) -> str | None:
        measure = self.file.measure
        if measure is None or isinstance(row.build(self.suite.task), Prior):
            return None
        size = measure.size or self.suite.size
        identity = {
            "row": row.identity(), "task": self._task(), "size": size, "protocol": measure.model_dump(mode="json"),
            "device": recall_device(),
        }  # fmt: skip
        spec = {"row": row.spec(), "task": self._task(), "size": size, "measure": measure.model_dump(mode="json")}
        return self._add(Job("measure", f"{row.label} measure", identity, spec, {}, measure.repeats))

    def _task(self) -> dict[str, Any]:
        task = self.suite.task
        return {"name": task.name, "scale": task.scale, "size": task.size}

    def _test_identity(self, test: str) -> dict[str, Any]:
        return {"data": self._source(test).fingerprint(), "degradation": self.degradation, "seed": self.file.seed}

    def _test_spec(self, test: str) -> dict[str, Any]:
        return {
            "test": self.tests[test].model_dump(mode="json"), "fingerprint": self._source(test).fingerprint(),
            "operators": self.operators, "data_seed": self.file.seed, "root": str(self.suite.data_root),
        }  # fmt: skip

    def _source(self, name: str) -> Source:
        """`train`, `val` or a test set, opened once."""
        if name not in self.sources:
            config = self.tests.get(name) or getattr(self.suite.data(), name)
            self.sources[name] = open_source(config, self.suite.data_root, self.cache)
        return self.sources[name]

    def _add(self, job: Job) -> str:
        self.jobs.setdefault(job.key, job)
        return job.key
