"""Validation in a run: the PSNR by which weights are chosen is the table's, on the validation images."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pytest

from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.gather import gather
from bench.plan import Plan, make_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution

Write: TypeAlias = Callable[[object], Path]


@pytest.fixture
def document(tiny_document: dict[str, Any]) -> dict[str, Any]:
    """One network that is validated after each of four steps, on the images of the test set."""
    nafnet = tiny_document["methods"]["nafnet"]
    nafnet |= {"training": {"optim": {"lr": 0.05}}}
    nafnet["budget"] |= {"iterations": 4, "validate_every": 1, "select": "best_psnr"}
    tiny_document["data"]["val"] = dict(tiny_document["data"]["test"])
    return {**tiny_document, "components": {}, "methods": {"nafnet": nafnet}, "metrics": ["psnr"], "measure": None}


def plan_of(suite: Path, store: Store) -> Plan:
    return make_plan(load_suite(suite), store.cache)


def test_the_best_weights_by_the_table_s_own_measure_are_kept(
    document: dict[str, Any], write_suite: Write, tmp_path: Path
) -> None:
    store = Store(tmp_path / "results").open()
    plan = plan_of(write_suite(document), store)
    outcome = LocalExecutor().run(plan.jobs, store, Execution(), Unwatched())
    assert outcome.failed == {}
    [training] = [job for job in plan.jobs if job.kind == "train"]
    log = pd.read_parquet(store.path(training.key) / "log.parquet")
    found = log[log.name == "validation/psnr"].value
    assert len(found) == 4
    assert found.nunique() == 4
    assert gather(plan, store, outcome, "run").rows.value.mean() == pytest.approx(found.max(), abs=1e-4)


def test_other_validation_images_are_another_training(
    document: dict[str, Any], write_suite: Write, tmp_path: Path
) -> None:
    def key() -> str:
        [training] = [job for job in plan_of(write_suite(document), Store(tmp_path)).jobs if job.kind == "train"]
        return training.key

    chosen = key()
    document["data"]["val"]["count"] = 2
    assert key() != chosen
    document["methods"]["nafnet"]["budget"] |= {"select": "last"}
    logged = key()
    document["data"]["val"]["count"] = 3
    assert key() != logged
    document["methods"]["nafnet"]["budget"] |= {"validate_every": None}
    unused = key()
    document["data"]["val"]["count"] = 2
    assert key() == unused
