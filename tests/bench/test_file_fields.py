"""Files that configurations name: found from the suite's folder, in keys by their content, loaded in place of a training."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import pytest
import torch

from bench.errors import SuiteError
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.plan import Plan, make_plan
from bench.run import run_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution
from ugpnet.nn.nafnet import NAFNet

Write: TypeAlias = Callable[[object], Path]


def save_network(path: Path, seed: int = 0) -> None:
    torch.manual_seed(seed)
    path.parent.mkdir(exist_ok=True)
    torch.save(NAFNet(3, 4, 1, (1,), (1,)).state_dict(), path)


@pytest.fixture
def document(tiny_document: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """A released network as a row, and the same file as UGPNet's regressor."""
    save_network(tmp_path / "released" / "net.pth")
    ugpnet = tiny_document["methods"]["ugpnet"]
    rows = {
        "released": {"method": "spandrel", "path": "released/net.pth"},
        "ugpnet": {**ugpnet, "regressor": {"spandrel": "released/net.pth"}},
    }
    return {**tiny_document, "methods": rows}


def plan_of(path: Path, *assignments: str) -> Plan:
    return make_plan(load_suite(path, assignments=assignments))


def keys(plan: Plan) -> dict[str, str]:
    return {job.label: job.key for job in plan.jobs}


def test_a_row_and_a_regressor_share_the_loaded_file(write_suite: Write, document: dict[str, Any]) -> None:
    plan = plan_of(write_suite(document))
    assert [job.label for job in plan.jobs if job.kind == "load"] == ["released network weights"]
    loaded = keys(plan)["released network weights"]
    users = {job.label for job in plan.jobs if loaded in job.inputs.values()}
    assert users == {"released restore", "ugpnet restoration"}
    assert not any(job.label.startswith("released") for job in plan.jobs if job.kind == "train")


@pytest.mark.slow
def test_the_content_is_in_the_keys_and_the_name_is_not(
    write_suite: Write, document: dict[str, Any], tmp_path: Path
) -> None:
    suite = write_suite(document)
    before = plan_of(suite)
    shutil.copy(tmp_path / "released" / "net.pth", tmp_path / "other name.pth")
    moved = plan_of(suite, "released.path=other name.pth", "ugpnet.regressor={spandrel: {path: ./other name.pth}}")
    assert keys(moved) == keys(before)
    assert str(tmp_path) not in str([(job.identity, job.inputs) for job in before.jobs])
    save_network(tmp_path / "released" / "net.pth", seed=1)
    changed = keys(plan_of(suite))
    kept = {label for label, key in keys(before).items() if changed[label] == key}
    assert kept == {"stylegan2 prior", "pairs"}


@pytest.mark.parametrize(
    ("assignment", "message"),
    [
        ("released.path=gone.pth", "methods.released.path: no file 'gone.pth' (looked in "),
        ("ugpnet.regressor={spandrel: gone.pth}", "methods.ugpnet.regressor.spandrel.path: no file 'gone.pth'"),
        ("ugpnet.regressor={nafnet: gone.pth}", "methods.ugpnet.regressor.nafnet: a mapping of fields is wanted"),
        ("released={method: spandrel}", "methods.released.path: this field is required"),
    ],
)
def test_a_mistake_is_named(write_suite: Write, document: dict[str, Any], assignment: str, message: str) -> None:
    with pytest.raises(SuiteError) as caught:
        load_suite(write_suite(document), assignments=[assignment])
    assert message in str(caught.value)


def test_what_spandrel_refuses_is_a_row_without_numbers(
    write_suite: Write, document: dict[str, Any], tmp_path: Path
) -> None:
    torch.save({"strange": torch.zeros(1)}, tmp_path / "released" / "net.pth")
    document["methods"]["input"] = {}
    rows = plan_of(write_suite(document)).rows
    assert [bool(row.unsupported) for row in rows] == [True, True, False]
    assert all("net.pth: spandrel recognises no network" in str(row.unsupported) for row in rows[:2])


def test_required_fields_leave_the_other_defaults_published(write_suite: Write, document: dict[str, Any]) -> None:
    document["methods"] = {"basicsr": {"arch": "EDSR", "training": {"optim": {"lr": 1.0}}}}
    training = load_suite(write_suite(document)).rows[0].config.training  # type: ignore[attr-defined]
    assert (training.optim.lr, training.optim.betas, training.loss) == (1.0, (0.9, 0.99), "l1")


@pytest.mark.slow
def test_both_rows_get_their_numbers(write_suite: Write, document: dict[str, Any], tmp_path: Path) -> None:
    plan = plan_of(write_suite(document))
    store = Store(tmp_path / "results").open()
    made = run_plan(plan, store, Execution(), LocalExecutor(), Unwatched())
    assert made.outcome.failed == {}
    rows = pd.read_parquet(made.folder / "rows.parquet")
    assert set(rows.method) == {"released", "ugpnet"}
    assert "trained elsewhere" in (made.folder / "table.md").read_text()
