"""A tiny suite on which the whole path runs in seconds."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

TINY: dict[str, Any] = {
    "name": "tiny",
    "task": "deblur",
    "data": {
        "train": {"source": "portraits", "split": "train", "count": 8, "size": 32},
        "test": {"source": "portraits", "split": "test", "count": 3, "size": 32},
    },
    "degradation": [{"op": "motion_blur", "kernel_size": 7, "bank": 10}],
    "metrics": ["psnr", "swd"],
    "measure": {"warmup": 0, "repeats": 1},
    "components": {
        "stylegan2": {
            "architecture": {"num_style_feat": 8, "num_mlp": 1, "channel_multiplier": 1, "narrow": 0.03125},
            "budget": {"iterations": 1, "batch_size": 2},
        }
    },
    "methods": {
        "input": {},
        "nafnet": {"width": 4, "enc_blk_nums": [1, 1], "dec_blk_nums": [1, 1], "budget": {"iterations": 2, "batch_size": 2}},
        "ugpnet": {
            "spatial_size": 8, "narrow": 0.03125, "channels": 8, "fusion_blocks": 1,
            "restoration": {"budget": {"iterations": 1, "batch_size": 2}},
            "synthesis": {"perceptual": {"features": "random"}, "budget": {"iterations": 1, "batch_size": 2}},
            "fusion": {
                "perceptual": {"features": "random"}, "contextual": {"features": "random", "patch": 16},
                "budget": {"iterations": 1, "batch_size": 2},
            },
        },
    },
}  # fmt: skip


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Bits and timings do not depend on the machine's cores."""
    torch.set_num_threads(1)


@pytest.fixture
def write_suite(tmp_path: Path) -> Callable[[object], Path]:
    """Writes a document as a suite file."""

    def write(document: object) -> Path:
        path = tmp_path / "s.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    return write


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The file of the tiny suite."""
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump(TINY, sort_keys=False))
    return path


@pytest.fixture
def tiny_document() -> dict[str, Any]:
    """The tiny suite, to be changed freely."""
    return copy.deepcopy(TINY)
