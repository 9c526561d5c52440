"""The examples of docs/data.md, planned as printed."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias, get_args

import datasets
import lmdb
import numpy as np
import pytest
import yaml
from PIL import Image

from bench.data.config import DataConfig
from bench.plan import make_plan
from bench.suite import load_suite

Write: TypeAlias = Callable[[object], Path]

PAGE = (Path(__file__).parents[1] / "docs" / "data.md").read_text()
EXAMPLES = [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


def image(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (70, 80, 3), dtype=np.uint8))


def fill(folder: Path, names: list[str]) -> None:
    folder.mkdir(parents=True)
    for seed, name in enumerate(names):
        image(seed).save(folder / name)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Everything that the examples name."""
    names = [f"{index:02d}" for index in range(10)]
    fill(tmp_path / "faces", [f"{name}.png" for name in names])
    for split, suffix in (("train", ""), ("test", "_blur")):
        fill(tmp_path / "GoPro" / split / "target", [f"{name}.png" for name in names])
        fill(tmp_path / "GoPro" / split / "input", [f"{name}{suffix}.png" for name in names])
    (tmp_path / "GoPro" / "meta_info_test.txt").write_text("01.png (70,80,3)\n02.png (70,80,3)\n")
    columns = {"image": list(map(image, range(10))), "name": names}
    datasets.DatasetDict(train=datasets.Dataset.from_dict(columns)).save_to_disk(tmp_path / "faces-dataset")
    pairs = datasets.Dataset.from_dict({"image": columns["image"], "blurred": columns["image"]})
    datasets.DatasetDict(train=pairs, test=pairs).save_to_disk(tmp_path / "pairs-dataset")
    shards = {
        "shards/faces-000.tar": [f"{name}.png" for name in names[:5]],
        "shards/faces-001.tar": [f"{name}.png" for name in names[5:]],
        "pairs/pairs.tar": [f"{name}.{side}.png" for name in names for side in ("gt", "lq")],
    }
    for path, members in shards.items():
        pack(tmp_path / path, tmp_path / "faces", members)
    for path in ("faces.lmdb", "GoPro/train/target.lmdb", "GoPro/train/input.lmdb"):
        store(tmp_path / path, tmp_path / "faces", names)
    return tmp_path


def pack(shard: Path, folder: Path, members: list[str]) -> None:
    shard.parent.mkdir(exist_ok=True)
    with tarfile.open(shard, "w") as tar:
        for name in members:
            tar.add(folder / f"{name.partition('.')[0]}.png", name)


def store(path: Path, folder: Path, names: list[str]) -> None:
    with lmdb.open(str(path)) as environment, environment.begin(write=True) as transaction:
        for name in names:
            transaction.put(name.encode(), (folder / f"{name}.png").read_bytes())
    (path / "meta_info.txt").write_text("".join(f"{name}.png (70,80,3) 1\n" for name in names))


def test_every_source_has_an_example() -> None:
    used = {source["source"] for example in EXAMPLES for source in example["data"].values()}
    kinds = get_args(get_args(DataConfig)[0])
    assert used == {kind.model_fields["source"].default for kind in kinds}


@pytest.mark.parametrize(("example", "images"), zip(EXAMPLES, (64, 20, 4, 2, 1, 10, 4, 2, 4, 10), strict=True))
def test_an_example_is_planned(
    example: dict[str, Any], images: int, data: Path, tiny_document: dict[str, Any], write_suite: Write
) -> None:
    methods = {name: tiny_document["methods"][name] for name in ("input", "nafnet")}
    plan = make_plan(load_suite(write_suite({**tiny_document, "methods": methods, **example})))
    assert len(plan.tests[0].ids) == images
