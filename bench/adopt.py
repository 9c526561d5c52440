"""The `load` job: a checkpoint from outside becomes a stage's weights in the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import WeightsError
from bench.execute import Workplace
from bench.faceboxes import read_face_boxes
from bench.job import Job
from bench.row import from_spec
from bench.weightfile import is_own, load_weights, read_checkpoint, save_weights
from methods.base import Task
from methods.losses import components
from ugpnet.checkpoints import CheckpointMismatch

BACKBONES: Mapping[str, Callable[[Path], Mapping[str, Any]]] = {components.WEIGHTS: read_face_boxes}
"""Readers of files that are no state dicts."""


def adopt_weights(job: Job, place: Workplace) -> Mapping[str, Any]:
    """Write `weights.safetensors` from the file that the job names, in our layout or in the released one."""
    path = Path(job.spec["path"])
    if is_own(path):
        weights: Mapping[str, Mapping[str, Any]] = load_weights(path)
    elif "row" not in job.spec:  # a backbone: the whole file is one network, or a table
        weights = {"": BACKBONES.get(job.identity["backbone"], read_checkpoint)(path)}
    else:
        method = from_spec(job.spec["row"]).build(Task(**job.spec["task"]))
        try:
            weights = method.adopt(job.spec["stage"], read_checkpoint(path))
        except CheckpointMismatch as error:
            raise WeightsError(f"{path}: {error}") from None
    save_weights(place.folder / "weights.safetensors", weights)
    return {}
