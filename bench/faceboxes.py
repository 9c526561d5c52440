"""Boxes of eyes and mouths by image, for GFP-GAN's component discriminators: a file of one's own, or FFHQ's released one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from bench.errors import WeightsError
from bench.weightfile import read_checkpoint
from methods.losses.components import PARTS

EXPECTED = '{"name": {"left_eye": [x, y, half], "right_eye": [...], "mouth": [...]}}'


def read_face_boxes(path: Path) -> dict[str, Tensor]:
    """(3, 3) by image name: centre x, y and half the side of left eye, right eye and mouth, in pixels at 512 px.

    Reads `.json`, or the same mapping in torch's format as in GFP-GAN's `FFHQ_eye_mouth_landmarks_512.pth`. Raises
    WeightsError for other content.
    """
    content = _read_json(path) if path.suffix == ".json" else read_checkpoint(path)
    return {str(name): _as_tensor(boxes, f"{path}: {name}") for name, boxes in content.items()}


def _read_json(path: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: is no JSON: {error}") from None
    if not isinstance(content, dict):
        raise WeightsError(f"{path}: holds no boxes by image; expected {EXPECTED}")
    return content


def _as_tensor(boxes: Any, where: str) -> Tensor:
    try:
        tensor = torch.tensor([[float(number) for number in boxes[part]] for part in PARTS])
    except (KeyError, TypeError, ValueError, OverflowError):
        tensor = torch.empty(0)
    if tensor.shape != (len(PARTS), 3):
        raise WeightsError(f"{where}: holds no box of each part; expected {EXPECTED}")
    return tensor
