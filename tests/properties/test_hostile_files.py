"""Whatever is in a file that a user or a stranger hands over, what comes out is an error that names it, or a result.

Each property runs a few hundred examples, the same ones every time. To look for more, at random:

    BENCH_FUZZ_EXAMPLES=7000 pytest tests/properties/test_hostile_files.py --timeout 0
"""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import save as to_safetensors

from bench.data.encoded import Encoded
from bench.data.images import FORMATS, check_image, read_image
from bench.data.picture import read_picture
from bench.document import override
from bench.errors import BenchError, DataError, SuiteError, WeightsError
from bench.faceboxes import read_face_boxes
from bench.inheritance import read_extended
from bench.job import canonical
from bench.report.model import COLUMNS
from bench.report.saved import REPORT, ROWS, load_report
from bench.suite import load_suite
from bench.weightfile import is_own, load_weights, read_checkpoint
from methods.losses.components import PARTS
from ugpnet.checkpoints import CheckpointMismatch, unwrap

ROOT = Path(__file__).parents[2]
TINY = ROOT / "tests" / "bench" / "tiny.yaml"

pytestmark = pytest.mark.slow

fuzz = settings.get_profile("fuzz")

PIECES = st.one_of(
    st.binary(max_size=12), st.sampled_from([b"\0" * 8, b"\xff" * 8, b"[" * 3000, b"{{", b"9" * 5000, b"&a *a", b"!!python/x "])
)  # fmt: skip
EDITS = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 40), PIECES), min_size=1, max_size=4)


def edited(content: bytes, edits: list[tuple[float, int, bytes]], end: float = 1.0) -> bytes:
    """The content with pieces put in place of some bytes, then cut off."""
    for place, length, piece in edits:
        at = int(place * len(content))
        content = content[:at] + piece + content[at + length :]
    return content[: int(end * len(content))]


ENDS = st.one_of(st.just(1.0), st.floats(0, 1))

VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(10**20), 10**20), st.floats(), st.text(max_size=8),
        st.sampled_from(["", "..", "nafnet", "official", "psnr", "embedded:x", "~", "a.b", "\0", 10**400]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.one_of(st.text(max_size=6), st.integers()), inner, max_size=3)
    ),
    max_leaves=6,
)  # fmt: skip


def planted(document: Any, steps: list[int], value: Any) -> Any:
    """The document with `value` somewhere in it: each step goes into one of the entries that are there."""
    if not steps or not isinstance(document, (dict, list)) or not document:
        return value
    places = list(document) if isinstance(document, dict) else list(range(len(document)))
    place = places[steps[0] % len(places)]
    changed = dict(document) if isinstance(document, dict) else list(document)
    changed[place] = planted(document[place], steps[1:], value)
    return changed


STEPS = st.lists(st.integers(0, 40), min_size=1, max_size=5)

# Suites


def load(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with suppress(SuiteError):
        suite = load_suite(path)
        canonical([suite.document, [row.identity() for row in suite.rows]])  # what names the run and enters keys
    with suppress(SuiteError):
        read_extended(path)


@fuzz
@given(st.one_of(st.binary(max_size=300), st.text(max_size=300).map(str.encode)))
def test_any_bytes_as_a_suite(tmp_path: Path, content: bytes) -> None:
    load(tmp_path / "s.yaml", content)


@fuzz
@given(st.sampled_from([*sorted((ROOT / "suites").glob("*.yaml")), TINY]), EDITS, ENDS)
def test_an_edited_suite(tmp_path: Path, suite: Path, edits: list[tuple[float, int, bytes]], end: float) -> None:
    base = tmp_path / "base"
    if not base.exists():
        base.symlink_to(ROOT / "suites" / "base")
    load(tmp_path / "s.yaml", edited(suite.read_bytes(), edits, end))


@fuzz
@given(STEPS, VALUES)
def test_any_value_anywhere_in_a_suite(tmp_path: Path, steps: list[int], value: Any) -> None:
    document = planted(yaml.safe_load(TINY.read_text()), steps, value)
    load(tmp_path / "s.yaml", yaml.safe_dump(document, sort_keys=False).encode())


@fuzz
@given(
    st.text(max_size=30),
    st.text(max_size=20),
    st.sampled_from(["data.test.size", "methods.ugpnet", "seeds.0", "metrics.9"]),
)
def test_any_override(path: str, value: str, field: str) -> None:
    document = yaml.safe_load(TINY.read_text())
    for assignment in (path, f"{path}={value}", f"{field}={value}", f"{field}.{path}={value}"):
        with suppress(SuiteError):
            override(document, [assignment])


# Images


def read_everything(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for read in (check_image, read_image, read_picture):
            with suppress(DataError):
                read(path)
        with suppress(DataError):
            read_image(Encoded("row 0", path.read_bytes()))


def image_file(kind: str, mode: str = "RGB") -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(noise).convert(mode).save(buffer, kind)
    return buffer.getvalue()


IMAGES = [image_file(kind) for kind in FORMATS]
IMAGES += [image_file("PNG", mode) for mode in ("L", "LA", "P", "RGBA", "1", "I;16")]
IMAGES += [image_file("TIFF", mode) for mode in ("L", "CMYK", "F", "I;16", "P")]
IMAGES += [image_file("JPEG", "CMYK"), image_file("WEBP", "RGBA")]


@fuzz
@given(st.sampled_from([b"", *(image[:8] for image in IMAGES)]), st.binary(max_size=200))
def test_any_bytes_as_an_image(tmp_path: Path, head: bytes, content: bytes) -> None:
    (tmp_path / "a.png").write_bytes(head + content)
    read_everything(tmp_path / "a.png")


@fuzz
@given(st.sampled_from(IMAGES), EDITS, ENDS)
def test_an_edited_image(tmp_path: Path, image: bytes, edits: list[tuple[float, int, bytes]], end: float) -> None:
    (tmp_path / "a.png").write_bytes(edited(image, edits, end))
    read_everything(tmp_path / "a.png")


# Checkpoints

STATE = {"conv.weight": torch.arange(12.0).reshape(3, 4), "conv.bias": torch.ones(3)}


def saved(**options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save({"params": STATE, "iteration": 7, "best": np.float64(0.5)}, buffer, **options)
    return buffer.getvalue()


CHECKPOINTS = {".pth": [saved(), saved(_use_new_zipfile_serialization=False)], ".safetensors": [to_safetensors(STATE)]}


HEADS = [b"", b"PK\x03\x04", b"\x80\x02", b"\x08" + bytes(7)]
"""Of a zip file, of a pickle, of a safetensors header of 8 bytes."""


def read_weights(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for read in (read_checkpoint, load_weights, is_own):
            reader: Callable[[Path], object] = read
            with suppress(WeightsError):
                reader(path)
        with suppress(WeightsError, CheckpointMismatch):
            unwrap(read_checkpoint(path))


@fuzz
@given(st.sampled_from(sorted(CHECKPOINTS)), st.sampled_from(HEADS), st.binary(max_size=200))
def test_any_bytes_as_a_checkpoint(tmp_path: Path, suffix: str, head: bytes, content: bytes) -> None:
    path = tmp_path / f"a{suffix}"
    path.write_bytes(head + content)
    read_weights(path)


@fuzz
@given(st.sampled_from([(suffix, file) for suffix, files in CHECKPOINTS.items() for file in files]), EDITS, ENDS)
def test_an_edited_checkpoint(
    tmp_path: Path, checkpoint: tuple[str, bytes], edits: list[tuple[float, int, bytes]], end: float
) -> None:
    path = tmp_path / f"a{checkpoint[0]}"
    path.write_bytes(edited(checkpoint[1], edits, end))
    read_weights(path)


@fuzz
@given(EDITS)
def test_an_edited_pickle_in_an_intact_checkpoint(tmp_path: Path, edits: list[tuple[float, int, bytes]]) -> None:
    with zipfile.ZipFile(io.BytesIO(CHECKPOINTS[".pth"][0])) as old, zipfile.ZipFile(tmp_path / "a.pth", "w") as new:
        for entry in old.infolist():
            content = old.read(entry)
            new.writestr(entry.filename, edited(content, edits) if entry.filename.endswith("data.pkl") else content)
    read_weights(tmp_path / "a.pth")


@fuzz
@given(VALUES)
def test_any_object_as_a_checkpoint(tmp_path: Path, value: Any) -> None:
    (tmp_path / "bare.pth").write_bytes(pickle.dumps(value, 2))
    torch.save(value, tmp_path / "a.pth")
    for name in ("bare.pth", "a.pth"):
        read_weights(tmp_path / name)


BOXES = {"00000": {part: [1.0, 2.0, 3.0] for part in PARTS}}


@fuzz
@given(STEPS, VALUES, EDITS)
def test_edited_face_boxes(tmp_path: Path, steps: list[int], value: Any, edits: list[tuple[float, int, bytes]]) -> None:
    path = tmp_path / "boxes.json"
    for content in (json.dumps(planted(BOXES, steps, value)).encode(), edited(json.dumps(BOXES).encode(), edits)):
        path.write_bytes(content)
        with suppress(WeightsError):
            read_face_boxes(path)


# Reports

PICTURES = {"ids": ["a"], "images": ["a"], "lq": "k/lq", "gt": "k/gt", "restored": {"x": "k/images"}, "parts": {}}
METHOD = {"label": "x", "family": "regression", "notes": ["n"]}
METRIC = {"name": "psnr", "label": "PSNR", "direction": "up", "decimals": 2, "protocol": "p"}
SAVED = {
    "format": 1, "name": "tiny", "baseline": "x",
    "tests": [{"test": "test", "metrics": [METRIC], "methods": [METHOD], "identity": {}, "pictures": PICTURES}],
    "reference": ["paper", [["x", "psnr", 30.0]]],
    "provenance": {"suite": "", "profile": "quick", "environment": {}, "jobs": {}, "warnings": []},
}  # fmt: skip


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "tiny" / "quick-1"
    folder.mkdir(parents=True)
    pd.DataFrame([["r", "test", "x", "", 1, "a", "psnr", 30.0, "k"]], columns=list(COLUMNS)).to_parquet(folder / ROWS)
    return folder


def read_report(run: Path, content: bytes) -> None:
    (run / REPORT).write_bytes(content)
    with suppress(BenchError):
        load_report(run)


def test_the_report_that_is_edited_can_be_read(run: Path) -> None:
    (run / REPORT).write_text(json.dumps(SAVED))
    assert load_report(run).name == "tiny"


@fuzz
@given(st.one_of(st.binary(max_size=200), VALUES.map(lambda value: json.dumps(value).encode())))
def test_any_bytes_as_a_report(run: Path, content: bytes) -> None:
    read_report(run, content)


@fuzz
@given(EDITS, ENDS)
def test_an_edited_report(run: Path, edits: list[tuple[float, int, bytes]], end: float) -> None:
    read_report(run, edited(json.dumps(SAVED).encode(), edits, end))


@fuzz
@given(STEPS, VALUES)
def test_any_value_anywhere_in_a_report(run: Path, steps: list[int], value: Any) -> None:
    read_report(run, json.dumps(planted(SAVED, steps, value)).encode())


@fuzz
@given(EDITS, ENDS)
def test_edited_rows(run: Path, edits: list[tuple[float, int, bytes]], end: float) -> None:
    whole = run.with_name("whole.parquet")
    if not whole.exists():
        (run / ROWS).rename(whole)
    (run / ROWS).write_bytes(edited(whole.read_bytes(), edits, end))
    read_report(run, json.dumps(SAVED).encode())
