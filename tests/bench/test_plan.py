"""Plans: keys that hold what matters, and work that is shared."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import BenchError, SuiteError
from bench.job import Job, canonical, in_order
from bench.plan import Plan, make_plan
from bench.suite import load_suite

Write: TypeAlias = Callable[[object], Path]


def plan_of(path: Path, *assignments: str) -> Plan:
    return make_plan(load_suite(path, assignments=assignments))


def trainings(plan: Plan) -> list[str]:
    return [job.label for job in plan.jobs if job.kind == "train"]


def keys(plan: Plan) -> dict[str, str]:
    return {job.label: job.key for job in plan.jobs}


def test_stages_are_shared(tiny: Path) -> None:
    plan = plan_of(tiny)
    assert trainings(plan) == [
        "nafnet network",
        "stylegan2 prior",
        "gfpgan restoration",
        "ugpnet restoration",
        "ugpnet synthesis",
        "ugpnet fusion",
    ]
    assert plan.users(keys(plan)["nafnet network"]) == 2


def test_the_ablations_share_what_does_not_change(write_suite: Write, tiny_document: dict[str, Any]) -> None:
    """Four UGPNets, a NAFNet, a GFP-GAN: 21 trainings if nothing were shared."""
    tiny_document["ablation"] = {
        "base": "ugpnet",
        "variants": {"a": {"structure_encoder": False}, "b": {"fuse": "images"}, "same": {"fuse": "features"}},
    }
    plan = plan_of(write_suite(tiny_document))
    assert len(trainings(plan)) == 9


def test_inputs_come_first(tiny: Path) -> None:
    seen: set[str] = set()
    for job in plan_of(tiny).jobs:
        assert set(job.inputs.values()) <= seen
        seen.add(job.key)


ALL_BUT_THE_PRIOR = {
    "nafnet network", "gfpgan restoration", "ugpnet restoration", "ugpnet synthesis", "ugpnet fusion",
}  # fmt: skip


@pytest.mark.parametrize(
    ("assignment", "changed"),
    [
        ("ugpnet.fusion.lambda_per=5", {"ugpnet fusion"}),
        ("ugpnet.synthesis.lambda_adv=1", {"ugpnet synthesis", "ugpnet fusion"}),
        (
            "stylegan2.budget.iterations=2",
            {"stylegan2 prior", "gfpgan restoration", "ugpnet synthesis", "ugpnet fusion"},
        ),
        (
            "stylegan2.training.augment=[cutout]",
            {"stylegan2 prior", "gfpgan restoration", "ugpnet synthesis", "ugpnet fusion"},
        ),
        ("nafnet.width=8", {"nafnet network", "ugpnet restoration", "ugpnet synthesis", "ugpnet fusion"}),
        ("degradation.0.kernel_size=9", ALL_BUT_THE_PRIOR),
        ("seeds=[1]", ALL_BUT_THE_PRIOR | {"stylegan2 prior"}),
        ("data.test.count=2", set()),
        ("metrics=[psnr]", set()),
    ],
)
def test_a_change_retrains_what_depends_on_it(tiny: Path, assignment: str, changed: set[str]) -> None:
    before, after = plan_of(tiny), plan_of(tiny, assignment)
    moved = {label for label in trainings(after) if keys(after)[label] != keys(before)[label]}
    assert moved == changed


def test_a_backbone_may_be_the_row_s_own_file(
    write_suite: Write, tiny_document: dict[str, Any], tmp_path: Path
) -> None:
    gfpgan = tiny_document["methods"]["gfpgan"]
    gfpgan["training"]["components"] = "face_boxes"
    row = next(row for row in plan_of(write_suite(tiny_document)).rows if row.row.label == "gfpgan")
    assert "bench weights fetch face_boxes" in str(row.unsupported)
    gfpgan["weights"] = {"face_boxes": "boxes.json"}
    found = []
    for content in ("{}", "{ }"):
        (tmp_path / "boxes.json").write_text(content)
        found.append(keys(plan_of(write_suite(tiny_document))))
    assert all("gfpgan restoration" in labels for labels in found)
    assert found[0]["gfpgan restoration"] != found[1]["gfpgan restoration"]
    assert found[0]["nafnet network"] == found[1]["nafnet network"]


def test_names_and_order_are_not_in_the_keys(write_suite: Write, tiny_document: dict[str, Any], tiny: Path) -> None:
    methods = tiny_document["methods"]
    methods["our network"] = {"method": "ugpnet", **methods.pop("ugpnet")}
    methods["input"] = methods.pop("input")
    renamed = plan_of(write_suite(tiny_document))
    assert {job.key for job in renamed.jobs} == {job.key for job in plan_of(tiny).jobs}


@pytest.mark.slow
def test_keys_do_not_depend_on_the_process(tiny: Path) -> None:
    program = (
        "from pathlib import Path; from bench.plan import make_plan; from bench.suite import load_suite; "
        f"print(*[job.key for job in make_plan(load_suite(Path({str(tiny)!r}))).jobs])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONHASHSEED": "123", "PATH": "", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert printed.stdout.split() == [job.key for job in plan_of(tiny).jobs]


def test_several_seeds_train_several_times_but_the_input_is_scored_once(tiny: Path) -> None:
    plan = plan_of(tiny, "seeds=[1, 2]")
    assert trainings(plan).count("ugpnet fusion") == 2
    assert [len(row.scores["test"]) for row in plan.rows] == [1, 2, 2, 2]


def test_what_cannot_run_says_why(write_suite: Write, tiny_document: dict[str, Any]) -> None:
    tiny_document["methods"] = {"bicubic": {}, "input": {}}
    plan = plan_of(write_suite(tiny_document))
    assert plan.rows[0].unsupported is not None
    assert "scale 1" in plan.rows[0].unsupported
    tiny_document["methods"] = {"bicubic": {}}
    with pytest.raises(BenchError, match=r"no method of this suite can run here \(bicubic: "):
        plan_of(write_suite(tiny_document))


def test_missing_backbones_make_a_row_unavailable(tiny: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("UGPNET_BENCH_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    plan = plan_of(tiny, "ugpnet.fusion.contextual.features=vgg19")
    assert "vgg19" in str(plan.rows[3].unsupported)
    assert plan.rows[1].unsupported is None


def test_the_test_images_may_not_choose_weights(tiny: Path) -> None:
    with pytest.raises(SuiteError, match=r"nafnet: .*data\.val"):
        plan_of(tiny, "nafnet.budget.select=best_psnr", "nafnet.budget.validate_every=1")


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=4), PLAIN, max_size=4))
def test_equal_content_has_equal_text(content: dict[str, object]) -> None:
    shuffled = dict(reversed(list(content.items())))
    assert canonical(content) == canonical(shuffled)


@given(st.dictionaries(st.text(max_size=4), PLAIN, max_size=4), st.text(min_size=1, max_size=4))
def test_a_key_covers_identity_and_inputs(identity: dict[str, object], name: str) -> None:
    job = Job("train", "a", identity, {})
    assert Job("train", "b", dict(identity), {"path": "elsewhere"}, units=3).key == job.key
    assert Job("train", "a", {**identity, "added to identity": 1}, {}).key != job.key
    assert Job("train", "a", identity, {}, {name: "0"}).key != job.key
    assert Job("restore", "a", identity, {}).key != job.key


def test_a_missing_input_is_found() -> None:
    with pytest.raises(ValueError, match="which no job makes"):
        in_order([Job("train", "a", {}, {}, {"x": "0"})])
