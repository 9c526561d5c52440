"""Checkpoints of a running training: a pair of files, written atomically, verified when read. No pickle.

<run_dir>/checkpoint-<step>.safetensors    every tensor
<run_dir>/checkpoint-<step>.json           the rest and the sha256 of both parts; written last: it commits
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load as parse_tensors
from safetensors.torch import save as serialise_tensors
from torch import Tensor

KEPT = 2


@dataclass(frozen=True)
class Checkpoint:
    """`tensors` (CPU, contiguous, no shared memory) and `state` (JSON) after `step` completed steps."""

    step: int
    tensors: Mapping[str, Tensor]
    state: Mapping[str, Any]


def save(run_dir: Path, checkpoint: Checkpoint) -> None:
    """Write `checkpoint`; keep the newest two. A crash at any moment leaves the ones before it intact."""
    run_dir.mkdir(parents=True, exist_ok=True)
    record = run_dir / f"checkpoint-{checkpoint.step:09d}.json"
    tensors = serialise_tensors(dict(checkpoint.tensors))
    content = {
        "step": checkpoint.step,
        "tensors_sha256": hashlib.sha256(tensors).hexdigest(),
        "state_sha256": _digest(checkpoint.state),
        "state": checkpoint.state,
    }
    _write(record.with_suffix(".safetensors"), tensors)
    _write(record, json.dumps(content).encode())
    _prune(run_dir, checkpoint.step)


def load(run_dir: Path) -> Checkpoint | None:
    """The newest intact checkpoint, or None. Warns of each damaged one that it passes over."""
    found = (_read_intact(record) for record in sorted(run_dir.glob("checkpoint-*.json"), reverse=True))
    return next((checkpoint for checkpoint in found if checkpoint is not None), None)


def clear(run_dir: Path) -> None:
    """Remove all checkpoints and what a crash left of one: for the caller, once the result is committed."""
    for path in _files(run_dir):
        path.unlink()


def _read_intact(record: Path) -> Checkpoint | None:
    try:
        return _read(record)
    except (OSError, ValueError, KeyError, TypeError) as error:
        warnings.warn(f"{record}: damaged checkpoint ({error}); using the one before it", RuntimeWarning)
        return None


def _read(record: Path) -> Checkpoint:
    content = json.loads(record.read_bytes())
    tensors = record.with_suffix(".safetensors").read_bytes()
    if hashlib.sha256(tensors).hexdigest() != content["tensors_sha256"]:
        raise ValueError("the tensor file does not have the recorded sha256")
    if _digest(content["state"]) != content["state_sha256"]:
        raise ValueError("the state does not have the recorded sha256")
    return Checkpoint(int(content["step"]), parse_tensors(tensors), content["state"])


def _digest(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f"{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Make the rename itself survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _prune(run_dir: Path, step: int) -> None:
    """Later steps than `step` belong to a run that fell back to an earlier checkpoint: they are damaged."""
    records = sorted(run_dir.glob("checkpoint-*.json"), reverse=True)
    kept = [record.stem for record in records if int(record.stem.split("-")[1]) <= step][:KEPT]
    for path in _files(run_dir):
        if path.name.split(".")[0] not in kept or path.suffix == ".tmp":
            path.unlink()


def _files(run_dir: Path) -> Iterator[Path]:
    return iter(sorted(run_dir.glob("checkpoint-*")))
