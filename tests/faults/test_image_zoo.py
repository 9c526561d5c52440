"""A folder with every kind of image file that people have: what is usable is scored, all else is named, by either policy.

How each kind is read, pixel by pixel, is in tests/bench/test_sources.py, how hostile ones are refused beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.errors import DataError
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.gather import gather
from bench.plan import Plan, make_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution

Write = Callable[[object], Path]


def noise(height: int, width: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(height).integers(0, 256, (height, width, channels), dtype=np.uint8)


def rotated(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(noise(31, 47)).save(path, exif=exif)


def cut_off(path: Path) -> None:
    Image.fromarray(noise(64, 64)).save(path)
    path.write_bytes(path.read_bytes()[:1000])


USABLE: dict[str, Callable[[Path], object]] = {
    "rgb.png": lambda path: Image.fromarray(noise(32, 32)).save(path),
    "prime.png": lambda path: Image.fromarray(noise(37, 53)).save(path),
    "same stem.png": lambda path: Image.fromarray(noise(33, 33)).save(path),
    "same stem.jpg": lambda path: Image.fromarray(noise(34, 34)).save(path),
    "grey.png": lambda path: Image.fromarray(noise(35, 35)[..., 0]).save(path),
    "grey16.png": lambda path: Image.fromarray(noise(36, 36)[..., 0].astype(np.uint16) * 257).save(path),
    "rgba.png": lambda path: Image.fromarray(noise(38, 38, 4)).save(path),
    "palette.png": lambda path: Image.fromarray(noise(39, 39)).quantize(64).save(path),
    "cmyk.jpg": lambda path: Image.fromarray(noise(40, 40, 4), "CMYK").save(path),
    "rotated.jpg": rotated,
    "ünï çødé 图像.png": lambda path: Image.fromarray(noise(41, 41)).save(path),
    "sub folder/10.webp": lambda path: Image.fromarray(noise(42, 42)).save(path),
}

UNUSABLE: dict[str, tuple[Callable[[Path], object], str]] = {
    "zero.png": (Path.touch, "it is empty"),
    "half.png": (cut_off, "cannot be read as an image"),
    "text.jpg": (lambda path: path.write_text("no image"), "of no known type"),
    "small.png": (lambda path: Image.fromarray(noise(5, 90)).save(path), "its shorter side, 5"),
}


@pytest.fixture
def zoo(tmp_path: Path) -> Path:
    for name, make in [*USABLE.items(), *((name, make) for name, (make, _) in UNUSABLE.items())]:
        path = tmp_path / "zoo" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        make(path)
    (tmp_path / "zoo" / "notes.txt").write_text("no image by its name, either")
    return tmp_path / "zoo"


def plan(zoo: Path, write_suite: Write, on_error: str) -> Plan:
    test = {"source": "folder", "path": str(zoo), "size": 31, "fit": "center_crop", "on_error": on_error}
    train = {"source": "portraits", "split": "train", "count": 1, "size": 32}
    document = {
        "name": "zoo", "task": "deblur", "metrics": ["psnr"], "measure": None, "data": {"train": train, "test": test},
        "degradation": [{"op": "gaussian_noise", "sigma": 0.1}], "methods": {"input": {}, "bicubic": {}},
    }  # fmt: skip
    return make_plan(load_suite(write_suite(document)))


def test_fail_names_every_unusable_file_before_any_work(zoo: Path, write_suite: Write) -> None:
    with pytest.raises(DataError) as error:
        plan(zoo, write_suite, "fail")
    for name, (_, reason) in UNUSABLE.items():
        assert any(name in line and reason in line for line in str(error.value).splitlines()), name
    assert not any(name in str(error.value) for name in USABLE)


def test_skip_scores_the_others_and_says_what_is_left_out(zoo: Path, write_suite: Write, tmp_path: Path) -> None:
    made = plan(zoo, write_suite, "skip")
    assert sorted(made.tests[0].skipped) == sorted(UNUSABLE)
    store = Store(tmp_path / "results").open()
    outcome = LocalExecutor().run(made.jobs, store, Execution(), Unwatched())
    report = gather(made, store, outcome, "run")
    assert outcome.failed == {}
    for _, rows in report.rows.groupby("method"):
        assert sorted(rows.image) == sorted(USABLE)
        assert np.isfinite(rows.value).all()
    assert report.provenance is not None
    [warning] = report.provenance.warnings
    assert "4 images left out" in warning
    assert all(name in warning for name in UNUSABLE)
