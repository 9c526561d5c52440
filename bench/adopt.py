"""The `load` job: a checkpoint from outside becomes a stage's weights in the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bench.errors import WeightsError
from bench.execute import Workplace
from bench.faceboxes import read_face_boxes
from bench.job import Job
from bench.recognise import describe_misfit
from bench.row import from_spec
from bench.weightfile import is_own, load_weights, read_checkpoint, save_weights
from methods.base import Method, Task
from methods.losses.backbones import FACE_BOXES
from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.recipe import Weights

BACKBONES: Mapping[str, Callable[[Path], Mapping[str, Any]]] = {FACE_BOXES: read_face_boxes}
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
        weights = fit_checkpoint(method, job.spec["row"]["method"], job.spec["stage"], path)
    save_weights(place.folder / "weights.safetensors", weights)
    return {}


def fit_checkpoint(method: Method, name: str, stage: str, path: Path) -> Weights:
    """The weights of a method's stage in a checkpoint from outside.

    Raises WeightsError: the file, what does not fit, and which method the file looks like.
    """
    checkpoint = read_checkpoint(path)
    try:
        return method.adopt(stage, checkpoint)
    except CheckpointMismatch as error:
        raise WeightsError(f"{path}: {describe_misfit(checkpoint, name)} ({error})") from None
