"""The schema of suites says what `load_suite` says, as far as a schema can."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

import methods
from bench.cli import app
from bench.document import overlay, read_document
from bench.errors import SuiteError
from bench.schema import schema_text, suite_schema
from bench.suite import load_suite
from methods.base import names

Write: TypeAlias = Callable[[object], Path]

SUITES = Path(__file__).parents[2] / "suites"
SHIPPED = sorted(SUITES.glob("*.yaml"))
COMMITTED = SUITES / "schema" / "suite.schema.json"


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    schema = suite_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def nested(path: str, value: object) -> dict[str, Any]:
    """`a/b`, 1 -> {a: {b: 1}}."""
    first, _, rest = path.partition("/")
    return {first: nested(rest, value) if rest else value}


def is_loaded(path: Path) -> bool:
    try:
        load_suite(path, "lab")
    except SuiteError:
        return False
    return True


def test_the_committed_file_is_up_to_date() -> None:
    assert COMMITTED.read_text(encoding="utf-8") == schema_text(), (
        "models or docstrings changed: bench schema --out suites/schema/suite.schema.json"
    )


def test_the_command_prints_it_or_writes_it(tmp_path: Path) -> None:
    printed = CliRunner().invoke(app, ["schema"])
    assert printed.exit_code == 0
    assert json.loads(printed.output) == suite_schema()
    written = CliRunner().invoke(app, ["schema", "--out", str(tmp_path / "new" / "s.json")])
    assert written.exit_code == 0
    assert (tmp_path / "new" / "s.json").read_text(encoding="utf-8") == schema_text()


@pytest.mark.parametrize("path", [*SHIPPED, Path(__file__).with_name("tiny.yaml")], ids=lambda path: path.stem)
def test_shipped_suites_are_valid(validator: Draft202012Validator, path: Path) -> None:
    assert [error.message for error in validator.iter_errors(read_document(path))] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_suites_name_it(path: Path) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first == f"# yaml-language-server: $schema={COMMITTED.relative_to(SUITES).as_posix()}"


def test_every_method_and_its_fields_are_described() -> None:
    schema = suite_schema()
    rows = schema["$defs"]["Rows"]["properties"]
    assert set(rows) == set(names())
    ugpnet = schema["$defs"]["ugpnet"]
    assert "UGPNet: Universal Generative Prior" in ugpnet["description"]
    assert ugpnet["properties"]["fuse"] == {"default": "features", "enum": ["features", "images"], "type": "string"}
    assert "convolution with a kernel" in schema["$defs"]["MotionBlur"]["description"]
    assert "natural order" in schema["$defs"]["FolderData"]["description"]


@pytest.mark.parametrize("name", names())
def test_a_method_may_be_written_out_in_full(validator: Draft202012Validator, name: str) -> None:
    defaults = methods.load(name).Config.model_construct().model_dump(mode="json")
    row = {"spandrel": {"path": "net.pth"}, "basicsr": {"arch": "EDSR"}}.get(name, {}) | defaults
    suite = {"name": "s", "task": "deblur", "methods": {name: row, "mine": {"method": name, **row}}}
    assert [error.message for error in validator.iter_errors(suite)] == []
    assert [error.message for error in validator.iter_errors({**suite, "profiles": {"lab": suite}})] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("methods/unet", {}),
        ("methods/nafnet/training", {"optim": {"lr": 1}}),
        ("methods/small", {"method": "nafnet", "width": 2}),
        ("methods/unet", {"method": "nafnet", "middle_blk_num": 2}),  # a method's name as the label of another
        ("methods/gfpgan/prior", {"stylegan2": {"architecture": {"num_mlp": 2}}}),
        ("methods/ugpnet/regressor", {"nafnet": {"weights": "train"}}),
        ("methods/ugpnet/weights", {"fusion": "train"}),
        ("components/stylegan2/weights", "embedded:stylegan2-portraits-64"),
        ("metrics", ["psnr", "pyiqa.musiq"]),
        ("degradation", [{"op": "gaussian_noise", "sigma": [0.1, 0.2]}, {"op": "jpeg", "quality": 30}]),
        ("data/train", {"source": "folder", "path": "faces", "fit": "random_crop", "size": 8}),
        ("data/val", {"source": "photos"}),
        (
            "data/train",
            {"source": "webdataset", "path": "faces-{000..069}.tar", "column": "png", "lq_column": "lq.png"},
        ),
        ("data/train", {"source": "lmdb", "path": "faces.lmdb", "fit": "random_crop", "size": 8, "on_error": "skip"}),
        ("measure", {"batch": 2}),
        ("ablation", {"base": "ugpnet", "variants": {"w/o R_se": {"structure_encoder": False, "fusion": None}}}),
        ("profiles/lab", None),
        ("profiles/lab/data/train", {"size": 64}),
        ("profiles/lab/methods", {"nafnet": None, "ugpnet": {"regressor": "unet", "fusion": {"lambda_per": None}}}),
        ("profiles/lab/degradation", [{"op": "downsample", "scale": 1}]),
    ],
)
def test_what_loads_is_valid(
    validator: Draft202012Validator, write_suite: Write, tiny_document: dict[str, Any], path: str, value: object
) -> None:
    document = put(tiny_document, path, value)
    assert [error.message for error in validator.iter_errors(document)] == []
    assert is_loaded(write_suite(document))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("datta", {}),
        ("task", "deblurr"),
        ("name", "no spaces"),
        ("methods", {}),
        ("methods/nafnt", {}),
        ("methods/nafnet/widht", 4),
        ("methods/nafnet/width", "wide"),
        ("methods/nafnet/width", None),
        ("methods/nafnet/training", {"optim": {"lr": []}}),
        ("methods/nafnet/pooling", "locall"),
        ("methods/small", {"method": "nafnet", "wf": 2}),
        ("methods/small", {"method": "nafnt"}),
        ("methods/spandrel", {}),
        ("methods/gfpgan/prior", {"stylegan2": {"architecture": {"mlp": 2}}}),
        ("methods/gfpgan/prior", {"stylegan": {}}),
        ("methods/gfpgan/prior", {"stylegan2": {}, "nafnet": {}}),
        ("methods/nafnet/weights", "official:nafnet-gopro-width23"),
        ("components/stylegan2/weights", "embedded:nothing"),
        ("components/stylegan2/weights", 1),
        ("metrics", ["psnrr"]),
        ("metrics", "psnr"),
        ("degradation", [{"op": "motion_blurr"}]),
        ("degradation", [{"op": "motion_blur", "kernel": 3}]),
        ("degradation", [{"kernel_size": 3}]),
        ("data/train", {"source": "fodler", "path": "faces"}),
        ("data/train", {"path": "faces"}),
        ("data/train", {"source": "folder"}),
        ("data/train", {"source": "webdataset", "column": "png"}),
        ("data/train", {"source": "lmdb", "path": "faces.lmdb", "column": "png"}),
        ("data/train/cuont", 3),
        ("data/train/count", 0),
        ("measure", {"repeats": 0}),
        ("ablation", {"base": "ugpnet", "variants": {"x": {"structure_encodr": False}}}),
        ("ablation", {"variants": {}}),
        ("profiles/lab", {"methods": {"nafnet": {"widht": 4}}}),
        ("profiles/lab", {"methods": {"ugpnet": {"fusion": {"lamda_per": 1}}}}),
        ("profiles/lab", {"data": {"train": {"sizze": 64}}}),
        ("profiles/lab", {"degradation": [{"op": "motion_blur", "kernel": 3}]}),
        ("profiles/lab", {"metric": []}),
    ],
)
def test_a_mistake_is_not_valid(
    validator: Draft202012Validator, write_suite: Write, tiny_document: dict[str, Any], path: str, value: object
) -> None:
    document = put(tiny_document, path, value)
    assert not validator.is_valid(document)
    assert not is_loaded(write_suite(document))


def test_rows_from_elsewhere_are_left_open(validator: Draft202012Validator, tiny_document: dict[str, Any]) -> None:
    for row in ({"anything": 1}, None):
        assert validator.is_valid(put(tiny_document, "methods/mylab.mymethod", row))
    assert validator.is_valid(put(tiny_document, "methods/mine", {"method": "mylab.mymethod", "anything": 1}))
    assert validator.is_valid(put(tiny_document, "methods/ugpnet/regressor", {"spandrel": "net.pth"}))
    assert not validator.is_valid(put(tiny_document, "methods/ugpnet/regressor", {"nafnet": "net.pth"}))


def put(document: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """The document with `value` at `path`, a null as it is; the profile `lab` is there whatever is put."""
    *parents, last = path.split("/")
    changed = overlay(document, nested("/".join(parents), {}) if parents else {})
    target = changed
    for part in parents:
        target = target[part]
    target[last] = value
    changed.setdefault("profiles", {}).setdefault("lab", {})
    return changed
