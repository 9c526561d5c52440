"""Suites: resolution, and errors that name file, YAML path and remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bench.errors import SuiteError
from bench.suite import load_suite

Write: TypeAlias = Callable[[object], Path]


def test_rows_in_order_with_their_peers(tiny: Path) -> None:
    suite = load_suite(tiny)
    assert [row.label for row in suite.rows] == ["input", "nafnet", "gfpgan", "ugpnet"]
    ugpnet = suite.rows[3]
    assert ugpnet.peers["regressor"] is suite.rows[1]
    assert ugpnet.peers["prior"].method == "stylegan2"
    assert (suite.task.name, suite.task.scale, suite.task.size) == ("deblur", 1, 32)


def change(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    *parents, last = path.split(".")
    target = document
    for part in parents:
        target = target[part]
    target[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("methods.ugpnet.fuze", "images", "methods.ugpnet.fuze: unknown field; did you mean 'fuse'?"),
        ("methods.ugpnet.fuse", "image", "methods.ugpnet.fuse: input should be 'features' or 'images'"),
        ("methods.ugpnet.fusion", {"lamda_per": 1}, "fusion.lamda_per: unknown field; did you mean 'lambda_per'?"),
        ("methods.nafnt", {}, "methods.nafnt: unknown method 'nafnt'; did you mean 'nafnet'?"),
        ("metrics", ["psnrr"], "metrics: metric 'psnrr': unknown name; did you mean 'psnr'?"),
        ("task", "deblurr", "task: input should be 'deblur'"),
        ("datta", {}, "datta: unknown field; did you mean 'data'?"),
        ("data.train.cuont", 3, "data.train.cuont: unknown field; did you mean 'count'?"),
        ("data.test.source", "fodler", "did you mean 'folder'?"),
        ("degradation", [{"op": "motion_blurr"}], "did you mean 'motion_blur'?"),
        ("degradation", [{"op": "motion_blur", "size": 3}], "degradation.0.size: unknown field"),
        ("methods.ugpnet.regressor", "nafnett", "methods.ugpnet.regressor: unknown method 'nafnett'"),
        ("methods.ugpnet.weights", {"fusion": "gone.pth"}, "methods.ugpnet.weights: no file 'gone.pth'"),
        ("components.stylegan2.weights", "embedded:nothing", "components.stylegan2.weights: no embedded weights 'nothing'"),
        ("baseline", "nafnett", "baseline: no row is named 'nafnett'; did you mean 'nafnet'?"),
        ("seeds", [], "seeds: give at least one seed"),
    ],
)  # fmt: skip
def test_a_mistake_is_named(
    write_suite: Write, tiny_document: dict[str, Any], path: str, value: object, message: str
) -> None:
    file = write_suite(change(tiny_document, path, value))
    with pytest.raises(SuiteError) as caught:
        load_suite(file)
    assert message in str(caught.value)
    assert all(line.startswith(f"{file}: ") for line in str(caught.value).splitlines())


def test_every_mistake_is_named_at_once(write_suite: Write, tiny_document: dict[str, Any]) -> None:
    change(change(tiny_document, "datta", 1), "task", "x")
    with pytest.raises(SuiteError) as caught:
        load_suite(write_suite(tiny_document))
    assert len(str(caught.value).splitlines()) == 2


def test_a_row_may_not_refer_to_itself(write_suite: Write, tiny_document: dict[str, Any]) -> None:
    change(tiny_document, "methods.ugpnet.regressor", "ugpnet")
    with pytest.raises(SuiteError, match="refers to itself through ugpnet -> ugpnet"):
        load_suite(write_suite(tiny_document))


def test_profiles_overlay(write_suite: Write, tiny_document: dict[str, Any]) -> None:
    tiny_document["profiles"] = {"lab": {"methods": {"nafnet": {"width": 8}, "input": None}}}
    file = write_suite(tiny_document)
    suite = load_suite(file, "lab")
    assert [row.label for row in suite.rows] == ["nafnet", "gfpgan", "ugpnet"]
    assert suite.rows[0].config.width == 8  # type: ignore[attr-defined]
    with pytest.raises(SuiteError, match="unknown profile 'lap'; did you mean 'lab'"):
        load_suite(file, "lap")


def test_overrides_reach_a_row(tiny: Path) -> None:
    suite = load_suite(tiny, assignments=["ugpnet.fusion.lambda_per=5"])
    assert suite.rows[3].config.fusion.lambda_per == 5  # type: ignore[attr-defined]


def test_a_partial_change_keeps_the_published_rest(tiny: Path) -> None:
    training = load_suite(tiny, assignments=["nafnet.training.optim.lr=5"]).rows[1].config.training  # type: ignore[attr-defined]
    assert (training.optim.lr, training.optim.betas, training.clip_norm) == (5, (0.9, 0.9), 0.01)


def test_variants_are_rows_with_one_change(write_suite: Write, tiny_document: dict[str, Any]) -> None:
    tiny_document["ablation"] = {
        "base": "ugpnet",
        "variants": {"w/o R_se": {"structure_encoder": False}, "images": {"fuse": "images"}},
    }
    suite = load_suite(write_suite(tiny_document))
    assert [row.variant for row in suite.rows] == [None, None, None, None, "w/o R_se", "images"]
    assert suite.rows[5].config.fuse == "images"  # type: ignore[attr-defined]


@pytest.mark.parametrize("test", [
    {"source": "folder", "path": "../faces"},
    {"source": "folder", "path": ".."},
    {"source": "folder", "path": "a/../../faces"},
    {"source": "paired", "lq": "lq", "gt": "../gt"},
    {"source": "paired", "lq": "../lq", "gt": "gt"},
    {"source": "paired", "lq": "lq", "gt": "gt", "meta_info": "../names.txt"},
    {"source": "huggingface", "path": "../faces"},
])  # fmt: skip
def test_images_lie_below_the_data_s_root(
    tiny_document: dict[str, Any], write_suite: Callable[[object], Path], test: dict[str, str]
) -> None:
    tiny_document["data"]["test"] = test
    with pytest.raises(SuiteError, match=r"s\.yaml: data\.test\.\w+: leaves `data\.root`.*set data\.root"):
        load_suite(write_suite(tiny_document))


def test_another_root_and_absolute_paths_are_said_openly(
    tiny_document: dict[str, Any], write_suite: Callable[[object], Path], tmp_path: Path
) -> None:
    for fields in ({"path": "a/../faces"}, {"path": str(tmp_path.parent / "faces")}, {"path": "..faces"}):
        tiny_document["data"]["test"] = {"source": "folder", **fields}
        load_suite(write_suite(tiny_document))
    tiny_document["data"]["root"] = "../.."
    assert load_suite(write_suite(tiny_document)).data_root == tmp_path / "../.."
