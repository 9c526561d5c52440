"""Three rows in seconds: one without training, a regression network, one with a discriminator upon a prior."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.executors.base import Outcome, Unwatched, Watcher
from bench.executors.local import LocalExecutor
from bench.plan import Plan, make_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the harness is a program of its own, whose modules the tests share


@dataclass(frozen=True)
class Work:
    """A plan and where it is carried out, without the report."""

    plan: Plan
    store: Store

    def do(self, watcher: Watcher = Unwatched(), **execution: Any) -> Outcome:
        return LocalExecutor().run(self.plan.jobs, self.store, Execution(**execution), watcher)

    def reasons(self, outcome: Outcome) -> dict[str, str]:
        """Why jobs failed, by their labels."""
        return {job.label: outcome.failed[job.key] for job in self.plan.jobs if job.key in outcome.failed}

    def bits(self) -> dict[str, bytes]:
        """All that the jobs left, but for the times in their records."""
        return {
            f"{job.label}/{name}": (self.store.path(job.key) / name).read_bytes()
            for job in self.plan.jobs
            for name in self.store.record(job.key)["files"]
        }


@pytest.fixture(scope="session")
def suite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    document: dict[str, Any] = yaml.safe_load((HERE / "suite.yaml").read_text())
    rows = {label: document["methods"][label] for label in ("input", "nafnet", "gfpgan")}
    path = tmp_path_factory.mktemp("suite") / "three.yaml"
    path.write_text(yaml.safe_dump({**document, "methods": rows, "metrics": ["psnr"]}, sort_keys=False))
    return path


def begin(suite: Path, results: Path) -> Work:
    store = Store(results).open()
    return Work(make_plan(load_suite(suite), store.cache), store)


@pytest.fixture
def work(suite_file: Path, tmp_path: Path) -> Work:
    return begin(suite_file, tmp_path / "results")


@pytest.fixture
def begin_work(suite_file: Path) -> Callable[[Path], Work]:
    """The same work in another folder of results."""
    return lambda results: begin(suite_file, results)


@pytest.fixture(scope="session")
def clean_bits(suite_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    """What work leaves that nothing happened to."""
    done = begin(suite_file, tmp_path_factory.mktemp("clean"))
    assert done.do().failed == {}
    return done.bits()
