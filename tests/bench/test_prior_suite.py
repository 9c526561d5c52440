"""A generative prior in a suite: its samples are judged as a set, and another seed is another set."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.data.sources import open_source
from bench.evaluate import read_images
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.gather import gather
from bench.metrics.swd import Swd
from bench.plan import make_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution


@pytest.fixture
def document(tiny_document: dict[str, Any]) -> dict[str, Any]:
    prior = tiny_document.pop("components")["stylegan2"]
    return {
        "name": "prior", "task": "prior", "seeds": [1, 2], "data": tiny_document["data"], "metrics": ["psnr", "swd"],
        "methods": {"stylegan2": prior},
    }  # fmt: skip


def test_samples_are_judged_as_a_set(
    document: dict[str, Any], write_suite: Callable[[object], Path], tmp_path: Path
) -> None:
    store = Store(tmp_path / "results").open()
    plan = make_plan(load_suite(write_suite(document)), store.cache)
    outcome = LocalExecutor().run(plan.jobs, store, Execution(), Unwatched())
    assert outcome.failed == {}
    rows = gather(plan, store, outcome, "run").rows
    assert sorted(zip(rows.seed, rows.image, rows.metric, strict=True)) == [(1, "", "swd"), (2, "", "swd")]
    sampled = [job for job in plan.jobs if job.kind == "restore"]
    sets = [np.stack(list(read_images(store.path(job.key) / "images"))) for job in sampled]
    assert [found.shape for found in sets] == [(3, 32, 32, 3)] * 2
    assert not np.array_equal(*sets)
    portraits = open_source(plan.suite.data().test, tmp_path, store.cache)
    assert rows.value.tolist() == [Swd().score(found, map(portraits.image, range(3))) for found in sets]
