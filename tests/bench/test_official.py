"""`weights: official` and `train` in a suite: what they mean, what contradicts them, what a missing file does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest
import torch
from PIL import Image

from bench import weights
from bench.adopt import adopt_weights
from bench.errors import SuiteError, WeightsError
from bench.execute import Workplace
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.plan import Plan, make_plan
from bench.registry import Checkpoint
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution
from bench.weightfile import load_weights
from methods.ugpnet import UGPNetMethod

Write: TypeAlias = Callable[[object], Path]

NAFNET = {"width": 4, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1]}
PRIOR = {"stylegan2": {"architecture": {"num_style_feat": 8, "num_mlp": 1, "channel_multiplier": 1, "narrow": 0.03125}}}
UGPNET = {
    "regressor": {"nafnet": NAFNET}, "prior": PRIOR, "spatial_size": 8, "narrow": 0.03125, "channels": 8, "fusion_blocks": 1,
}  # fmt: skip


def entry(method: str, stage: str, config: Mapping[str, Any], **fields: Any) -> Checkpoint:
    """A fabricated checkpoint of a tiny network; `fields` replace what is recorded of it."""
    made = Checkpoint(
        f"{method}-{stage}", f"https://example.org/{method}-{stage}.pth", "", 1 << 20, "MIT", "tests",
        method=method, stage=stage, config=config, tasks=("deblur",),
    )  # fmt: skip
    return replace(made, **fields)


TINY = entry("nafnet", "network", NAFNET, name="nafnet-tiny", evaluation={"pooling": "local"})
WIDE = entry("nafnet", "network", {"width": 8}, name="nafnet-wide", url="https://example.org/wide.pth", tasks=())
PARTS = tuple(
    entry("ugpnet", stage, UGPNET, release="ugpnet-tiny", by_hand=True, saved_as=f"tiny/{stage}.pth")
    for stage in ("restoration", "synthesis", "fusion")
)


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry of tiny checkpoints, and the empty folder in which they are looked for."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(folder))
    monkeypatch.setattr(weights, "_cache_folder", lambda: tmp_path / "cache")
    register(monkeypatch, TINY, WIDE, *PARTS)
    return folder


def register(monkeypatch: pytest.MonkeyPatch, *entries: Checkpoint) -> None:
    monkeypatch.setattr(weights, "RELEASED", entries)


@pytest.fixture
def suite(write_suite: Write, tiny_document: dict[str, Any]) -> Callable[..., Path]:
    """Writes the tiny suite with these methods only."""

    def write(**methods: Any) -> Path:
        return write_suite({**tiny_document, "components": {}, "methods": methods, "measure": None})

    return write


def plan_of(path: Path) -> Plan:
    return make_plan(load_suite(path))


def kinds(plan: Plan, label: str) -> set[str]:
    return {job.kind for job in plan.jobs if job.label.startswith(label)}


def save_network(path: Path, state: Mapping[str, Any], wrapper: str = "params") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({wrapper: dict(state)}, path)


def nafnet_state(path: Path) -> dict[str, torch.Tensor]:
    suite = load_suite(path)
    torch.manual_seed(1)
    return {
        name: torch.randn_like(value) / 10
        for name, value in suite.rows[-1].build(suite.task).network().state_dict().items()
    }


def test_official_lays_the_row_over_the_released_configuration(suite: Callable[..., Path]) -> None:
    row = load_suite(suite(nafnet={"weights": "official", "budget": {"iterations": 7}})).rows[0]
    assert row.weights == {"network": TINY}
    found = row.config.model_dump()
    assert (found["width"], found["enc_blk_nums"], found["pooling"], found["budget"]["iterations"]) == (
        4,
        (1, 1),
        "local",
        7,
    )


def test_what_the_evaluation_used_may_be_changed(suite: Callable[..., Path]) -> None:
    row = load_suite(suite(nafnet={"weights": "official", "pooling": "global"})).rows[0]
    assert row.config.pooling == "global"  # type: ignore[attr-defined]


def test_a_file_is_asked_for_by_name(suite: Callable[..., Path]) -> None:
    row = load_suite(suite(nafnet={"weights": "official:nafnet-wide"})).rows[0]
    assert row.weights == {"network": WIDE}
    assert row.config.width == 8  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"nafnet": {"weights": "official", "width": 16}},
         "methods.nafnet.width: nafnet-network.pth needs 4, found 16; leave the field out or write `weights: train`"),
        ({"nafnet": {"weights": "official:nafnet-tinny"}},
         "methods.nafnet.weights: nafnet has no released weights 'nafnet-tinny'; did you mean 'nafnet-tiny'?"),
        ({"nafnet": {"weights": "official:ugpnet-fusion"}}, "nafnet has no released weights 'ugpnet-fusion'"),
        ({"input": {"weights": "official"}},
         "methods.input.weights: input has no official weights for deblur; none of its checkpoints are registered"),
        ({"nafnet": {"weights": {"netwrk": "official"}}},
         "stage 'netwrk' of nafnet has no official weights for deblur; known: nafnet-tiny, nafnet-wide"),
        ({"nafnet": {"weights": 3}}, "a path, `official`, `embedded:NAME` or `train` is wanted, found 3"),
        ({"nafnet": {**NAFNET, "width": 2}, "ugpnet": {"weights": "official", "regressor": "nafnet"}},
         "methods.ugpnet.regressor.width: tiny/restoration.pth needs 4, found 2"),
        ({"ugpnet": {"weights": "official", "regressor": "input"}},
         "methods.ugpnet.regressor: tiny/restoration.pth needs 'nafnet', found 'input'"),
        ({"ugpnet": {"weights": "official", "prior": {"stylegan2": {"architecture": {"narrow": 1}}}}},
         "methods.ugpnet.prior.architecture.narrow: tiny/restoration.pth needs 0.03125, found 1.0"),
    ],
)  # fmt: skip
def test_contradictions_and_unknown_names_are_errors(suite: Callable[..., Path], row: Any, message: str) -> None:
    path = suite(**row)
    with pytest.raises(SuiteError) as caught:
        load_suite(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert message in str(caught.value)


def test_train_is_as_if_nothing_were_said(suite: Callable[..., Path]) -> None:
    plain = plan_of(suite(nafnet=NAFNET))
    assert {job.key for job in plan_of(suite(nafnet={**NAFNET, "weights": "train"})).jobs} == {
        j.key for j in plain.jobs
    }
    one = plan_of(suite(nafnet={**NAFNET, "weights": {"network": "train"}}))
    assert {job.key for job in one.jobs} == {job.key for job in plain.jobs}


def test_a_missing_file_is_a_status_and_trains_nothing(suite: Callable[..., Path], machine: Path) -> None:
    plan = plan_of(suite(input={}, nafnet={"weights": "official"}))
    reason = str(plan.rows[1].unsupported)
    for part in (TINY.file, TINY.url, "bench weights fetch nafnet-tiny", str(machine)):
        assert part in reason
    assert not kinds(plan, "nafnet")
    assert kinds(plan, "input") == {"restore", "score"}


def test_files_to_be_had_by_hand_are_named_together(suite: Callable[..., Path], machine: Path) -> None:
    reason = str(plan_of(suite(input={}, ugpnet={"weights": "official"})).rows[1].unsupported)
    assert "open https://example.org/ugpnet-restoration.pth in a browser and put tiny/restoration.pth" in reason
    assert "tiny/synthesis.pth" in reason
    assert "tiny/fusion.pth" in reason
    assert "bench weights fetch" not in reason


@pytest.mark.parametrize(("fields", "reason"), [
    ({"side": 512}, "nafnet-network.pth works at 512 px, the suite's images have 32 px"),
    ({"scale": 4}, "nafnet-network.pth enlarges 4 times, the task 1 times"),
])  # fmt: skip
def test_another_size_or_scale_is_a_status(
    suite: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, fields: Any, reason: str
) -> None:
    register(monkeypatch, replace(TINY, **fields))
    assert plan_of(suite(input={}, nafnet={"weights": "official"})).rows[1].unsupported == reason


def test_of_several_official_files_the_one_that_fits_is_taken(
    suite: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    large, small = replace(TINY, name="large", side=512), replace(TINY, name="small", side=32)
    register(monkeypatch, large, small)
    assert load_suite(suite(nafnet={"weights": "official"})).rows[0].weights == {"network": small}


def test_a_damaged_file_stops_the_plan(
    suite: Callable[..., Path], machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, replace(TINY, sha256="0" * 64))
    (machine / TINY.file).write_bytes(b"something else")
    with pytest.raises(WeightsError, match=r"nafnet-network\.pth: sha256 .* run `bench weights fetch nafnet-tiny`"):
        plan_of(suite(nafnet={"weights": "official"}))


def test_a_run_restores_with_the_released_weights(suite: Callable[..., Path], machine: Path, tmp_path: Path) -> None:
    path = suite(nafnet={"weights": "official"})
    save_network(machine / TINY.file, nafnet_state(path))
    plan = plan_of(path)
    assert kinds(plan, "nafnet") == {"load", "restore", "score"}
    store = Store(tmp_path / "results").open()
    assert not LocalExecutor().run(plan.jobs, store, Execution(), Unwatched()).failed
    [load] = [job for job in plan.jobs if job.kind == "load"]
    [restore] = [job for job in plan.jobs if job.kind == "restore"]
    assert set(load_weights(store.path(load.key) / "weights.safetensors")["network"]) == set(nafnet_state(path))
    assert np.asarray(Image.open(store.path(restore.key) / "images" / "00000.png")).shape == (32, 32, 3)


def test_three_files_replace_three_trainings(suite: Callable[..., Path], machine: Path, tmp_path: Path) -> None:
    path = suite(ugpnet={"weights": "official"})
    method = load_suite(path).rows[0].build(load_suite(path).task)
    assert isinstance(method, UGPNetMethod)
    model = method.network()
    save_network(machine / "tiny/restoration.pth", model.restoration.state_dict())
    save_network(machine / "tiny/fusion.pth", model.fusion.state_dict())
    parts = {name: getattr(model.synthesis, name).state_dict() for name in ("generator", "fencoder", "wmodule")}
    torch.save(parts, machine / "tiny/synthesis.pth")
    plan = plan_of(path)
    assert [job.label for job in plan.jobs if job.kind in ("load", "train")] == [
        "ugpnet restoration weights", "ugpnet synthesis weights", "ugpnet fusion weights",
    ]  # fmt: skip
    upstream = {}
    for stage, job in zip(("restoration", "synthesis", "fusion"), plan.jobs, strict=False):
        place = Workplace(Store(tmp_path / "results").open(), tmp_path, Execution(), lambda _: None)
        adopt_weights(job, place)
        upstream[stage] = load_weights(tmp_path / "weights.safetensors")
    lq = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(method.restorer(upstream)(lq), model.eval()(lq))


def test_one_stage_may_be_trained_on_released_others(suite: Callable[..., Path], machine: Path) -> None:
    path = suite(ugpnet={
        "weights": {"restoration": "official", "synthesis": "official:ugpnet-tiny", "fusion": "train"},
        "fusion": {"perceptual": {"features": "random"}, "contextual": {"features": "random", "patch": 16}},
    })  # fmt: skip
    for part in PARTS:
        save_network(machine / part.file, {})
    plan = plan_of(path)
    assert {job.label for job in plan.jobs if job.kind == "load"} == {
        "ugpnet restoration weights",
        "ugpnet synthesis weights",
    }
    assert "ugpnet fusion" in {job.label for job in plan.jobs if job.kind == "train"}
