"""A suite on pairs made elsewhere, at a scale: what a finished run keeps of its test set is such a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bench.errors import SuiteError
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.plan import make_plan
from bench.run import Run, run_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution

Write = Callable[[object], Path]
SR = {
    "name": "sr", "task": "sr", "metrics": ["psnr"], "measure": None,
    "data": {
        "train": {"source": "portraits", "split": "train", "count": 4, "size": 32},
        "test": {"source": "portraits", "split": "test", "count": 4, "size": 32},
    },
    "degradation": [{"op": "downsample", "scale": 2}],
    "methods": {
        "bicubic": {},
        "rrdbnet": {"num_feat": 4, "num_block": 1, "num_grow_ch": 4, "budget": {"iterations": 1, "batch_size": 2, "patch": 16}},
    },
}  # fmt: skip


def run(path: Path, results: Path) -> Run:
    store = Store(results).open()
    return run_plan(make_plan(load_suite(path), store.cache), store, Execution(), LocalExecutor(), Unwatched())


def frozen(write_suite: Write, tmp_path: Path) -> Path:
    """The folder of the test pairs that a run has kept."""
    run(write_suite(SR), tmp_path / "first")
    [ids] = (tmp_path / "first" / ".store").glob("*/lq")
    return ids.parent


def on_pairs(folder: Path, scale: int) -> dict[str, object]:
    pairs = {"source": "paired", "lq": str(folder / "lq"), "gt": str(folder / "gt")}
    return {**SR, "name": "pairs", "degradation": [], "data": {"scale": scale, "train": pairs, "test": {**pairs}}}


@pytest.mark.slow
def test_kept_pairs_give_the_same_numbers_and_train_at_their_scale(write_suite: Write, tmp_path: Path) -> None:
    folder = frozen(write_suite, tmp_path)
    made = run(write_suite(on_pairs(folder, scale=2)), tmp_path / "second")
    assert made.outcome.failed == {}
    first = run(write_suite(SR), tmp_path / "first").report.rows
    ours, theirs = (rows[rows.method == "bicubic"].value.tolist() for rows in (made.report.rows, first))
    assert ours == theirs


@pytest.mark.slow
def test_another_scale_than_the_pairs_is_named(write_suite: Write, tmp_path: Path) -> None:
    folder = frozen(write_suite, tmp_path)
    with pytest.raises(
        SuiteError, match=r"data\.scale: the pairs of data\.train are 2 times .* write `data: \{scale: 2\}`"
    ):
        make_plan(load_suite(write_suite(on_pairs(folder, scale=1))))
