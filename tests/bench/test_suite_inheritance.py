"""Suites that extend suites, rows that begin from components and from other rows."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from bench.document import overlay
from bench.errors import SuiteError
from bench.inheritance import read_extended
from bench.plan import make_plan
from bench.suite import load_suite
from ugpnet.nn.nafnet import NAFNet

Write = Callable[[object], Path]


def save(folder: Path, name: str, document: object) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(document, sort_keys=False))
    return path


def test_a_suite_is_laid_over_the_one_that_it_extends(tmp_path: Path, tiny_document: dict[str, Any]) -> None:
    save(tmp_path, "base/tiny.yaml", {**tiny_document, "profiles": {"lab": {"seeds": [1], "metrics": ["ssim"]}}})
    own = {"extends": "base/tiny.yaml", "name": "own", "methods": {"gfpgan": None}, "profiles": {"lab": {"seeds": [2]}}}
    path = save(tmp_path, "own.yaml", own)
    quick, lab = load_suite(path), load_suite(path, "lab")
    assert [row.label for row in quick.rows] == ["input", "nafnet", "ugpnet"]
    assert (lab.file.name, lab.file.seeds, lab.file.metrics) == ("own", (2,), ("ssim",))
    assert "extends" not in quick.document


def test_files_beside_the_extended_suite_are_found_from_elsewhere(
    tmp_path: Path, tiny_document: dict[str, Any]
) -> None:
    """Published values and a row's weights, at the top and in a profile; what the extending suite names lies beside itself."""
    shared, mine = tmp_path / "shared" / "suites", tmp_path / "mine"
    shared.mkdir(parents=True)
    for name in ("published.csv", "other.csv"):
        (shared / name).write_text("# source: somewhere\nmethod,psnr\nnafnet,30\n")
    torch.save(NAFNet(3, 4, 1, (1, 1), (1, 1)).state_dict(), shared / "net.pth")
    tiny_document["methods"]["nafnet"]["weights"] = "net.pth"
    base = {**tiny_document, "reference": "published.csv", "profiles": {"quick": {}, "lab": {"reference": "other.csv"}}}
    save(shared, "base.yaml", base)
    path = save(mine, "own.yaml", {"extends": "../shared/suites/base.yaml", "name": "own"})
    for profile in ("quick", "lab"):
        suite = load_suite(path, profile)
        reference = suite.reference()
        assert reference is not None
        assert reference.values == {("nafnet", "psnr"): 30.0}
        assert next(job.kind for job in make_plan(suite).jobs if job.label.startswith("nafnet")) == "load"
    (mine / "own.csv").write_text("# source: mine\nmethod,psnr\nnafnet,31\n")
    own = load_suite(
        save(mine, "own.yaml", {"extends": "../shared/suites/base.yaml", "reference": "own.csv"})
    ).reference()
    assert own is not None
    assert own.source == "mine"


@pytest.mark.parametrize(
    ("extends", "message"),
    [
        ("gone.yaml", r"a\.yaml: extends: no file 'gone\.yaml' \(looked in "),
        (3, r"a\.yaml: extends: the path of another suite is wanted, found 3"),
        ("b.yaml", r"a\.yaml: extends: goes in a circle: a\.yaml -> b\.yaml -> a\.yaml"),
    ],
)
def test_what_cannot_be_extended_is_named(tmp_path: Path, extends: object, message: str) -> None:
    save(tmp_path, "b.yaml", {"extends": "a.yaml"})
    with pytest.raises(SuiteError, match=message):
        read_extended(save(tmp_path, "a.yaml", {"extends": extends}))


def test_an_added_row_stands_where_it_is_written() -> None:
    base = {"input": 1, "nafnet": 2, "ugpnet": 3}
    over = {"nafnet": 4, "uformer": 5, "gpen": 6, "ugpnet": 7, "last": 8}
    assert list(overlay(base, over)) == ["input", "nafnet", "uformer", "gpen", "ugpnet", "last"]
    assert list(overlay(base, {"first": 0})) == ["input", "nafnet", "ugpnet", "first"]


def test_a_row_begins_from_the_component_of_its_name(write_suite: Write, tiny_document: dict[str, Any]) -> None:
    tiny_document["components"]["nafnet"] = {"width": 6, "dec_blk_nums": [1, 1], "enc_blk_nums": [1, 1]}
    tiny_document["methods"]["nafnet"] = {"enc_blk_nums": [2, 2]}
    config: Any = load_suite(write_suite(tiny_document)).rows[1].config
    assert (config.width, config.enc_blk_nums, config.dec_blk_nums) == (6, (2, 2), (1, 1))


def test_a_row_like_another_differs_in_what_it_says(write_suite: Write, tiny_document: dict[str, Any]) -> None:
    tiny_document["methods"]["wide"] = {"like": "nafnet", "width": 8}
    tiny_document["methods"]["on-wide"] = {"like": "ugpnet", "regressor": "wide"}
    suite = load_suite(write_suite(tiny_document))
    plain, ugpnet, wide, other = (row for row in suite.rows if row.label not in ("input", "gfpgan"))
    assert wide.config == plain.config.model_copy(update={"width": 8})
    assert (wide.method, other.method) == ("nafnet", "ugpnet")
    assert other.config == ugpnet.config.model_copy(update={"regressor": "wide"})
    assert other.peers["regressor"] is wide


def test_overriding_a_row_overrides_those_like_it(write_suite: Write, tiny_document: dict[str, Any]) -> None:
    tiny_document["methods"]["wide"] = {"like": "nafnet"}
    suite = load_suite(write_suite(tiny_document), assignments=["nafnet.width=6"])
    assert suite.rows[-1].config.width == 6  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"a": {"like": "nafnt"}}, "methods.a.like: no row is named 'nafnt'; did you mean 'nafnet'?"),
        ({"a": {"like": "b"}, "b": {"like": "a"}}, "methods.b.like: goes in a circle: a -> b -> a"),
        ({"a": {"like": "a"}}, "methods.a.like: goes in a circle: a -> a"),
        ({"a": {"like": "nafnet", "widht": 3}}, "methods.a.widht: unknown field; did you mean 'width'?"),
    ],
)
def test_what_a_row_cannot_be_like_is_named(
    write_suite: Write, tiny_document: dict[str, Any], entries: dict[str, Any], message: str
) -> None:
    tiny_document["methods"] |= entries
    with pytest.raises(SuiteError) as caught:
        load_suite(write_suite(tiny_document))
    assert message in str(caught.value)


def test_several_bases_are_followed_by_their_variants(write_suite: Write, tiny_document: dict[str, Any]) -> None:
    tiny_document["methods"]["other"] = {"like": "ugpnet"}
    tiny_document["ablation"] = {"base": ["ugpnet", "other"], "variants": {"x": {"fuse": "images"}}}
    rows = load_suite(write_suite(tiny_document)).rows
    assert [(row.label, row.base, row.variant) for row in rows[3:]] == [
        ("ugpnet", None, None),
        ("ugpnet: x", "ugpnet", "x"),
        ("other", None, None),
        ("other: x", "other", "x"),
    ]
