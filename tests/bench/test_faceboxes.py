"""Files of face boxes: JSON, the released format, and what is neither."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.adopt import adopt_weights
from bench.errors import WeightsError
from bench.execute import Workplace
from bench.faceboxes import read_face_boxes
from bench.job import Job
from bench.store import Store
from bench.train.execution import Execution
from bench.weightfile import load_weights

FACE = {"left_eye": [193.5, 240, 25], "right_eye": [319, 240, 25], "mouth": [256, 377, 56]}
EXPECTED = torch.tensor([[193.5, 240, 25], [319, 240, 25], [256, 377, 56]])


def write(path: Path, content: Any) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(content))
    else:
        torch.save(content, path)
    return path


def released() -> dict[str, Any]:
    """As GFP-GAN's script leaves it: lists of NumPy numbers."""
    return {"00000000": {part: [np.float64(number) for number in box] for part, box in FACE.items()}}


@pytest.mark.parametrize(("name", "content"), [("own.json", {"00000000": FACE}), ("ffhq.pth", released())])
def test_both_formats_give_the_same_table(tmp_path: Path, name: str, content: Any) -> None:
    (boxes,) = read_face_boxes(write(tmp_path / name, content)).items()
    assert boxes[0] == "00000000"
    assert torch.equal(boxes[1], EXPECTED)


@pytest.mark.parametrize("content", [{"a": {"mouth": [1, 2, 3]}}, {"a": [1, 2, 3]}, {"a": FACE | {"mouth": [1, 2]}}])
def test_other_boxes_are_refused_with_what_is_expected(tmp_path: Path, content: Any) -> None:
    with pytest.raises(WeightsError, match=r"own\.json: a: holds no box of each part; expected .*left_eye"):
        read_face_boxes(write(tmp_path / "own.json", content))


@pytest.mark.parametrize("text", ["[1, 2]", "{broken"])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "own.json"
    path.write_text(text)
    with pytest.raises(WeightsError, match=r"own\.json: "):
        read_face_boxes(path)


def test_the_table_enters_the_store(tmp_path: Path) -> None:
    path = write(tmp_path / "own.json", {"faces/a.png": FACE})
    job = Job("load", "face_boxes weights", {"backbone": "face_boxes"}, {"path": str(path)})
    adopt_weights(job, Workplace(Store(tmp_path / "results").open(), tmp_path, Execution(), lambda _: None))
    assert torch.equal(load_weights(tmp_path / "weights.safetensors")[""]["faces/a.png"], EXPECTED)
