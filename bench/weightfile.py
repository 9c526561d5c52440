"""Files of weights: our own safetensors with every network of a stage, and checkpoints of others, read safely."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save as serialise
from torch import Tensor

from bench.errors import WeightsError
from bench.store import write_atomically
from ugpnet import checkpoint_file
from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.recipe import Weights

SEPARATOR = ":"


def save_weights(path: Path, weights: Weights) -> None:
    """Write `network:key` entries; tensors that share memory are stored once each."""
    tensors = {
        f"{network}{SEPARATOR}{key}": value.detach().cpu().contiguous().clone()
        for network, state in weights.items()
        for key, value in state.items()
    }
    write_atomically(path, serialise(tensors, metadata={"format": "ugpnet-bench/1"}))


def load_weights(path: Path) -> dict[str, dict[str, Tensor]]:
    """Networks and their state dicts, on the CPU. Raises WeightsError naming the file."""
    weights: dict[str, dict[str, Tensor]] = {}
    for name, tensor in read_checkpoint(path).items():
        network, separator, key = str(name).partition(SEPARATOR)
        if not separator:
            raise WeightsError(f"{path}: not a file of this harness: entry {name!r} names no network")
        weights.setdefault(network, {})[key] = tensor
    return weights


def is_own(path: Path) -> bool:
    """Whether `load_weights` reads this file."""
    return path.suffix == ".safetensors" and all(SEPARATOR in name for name in read_checkpoint(path))


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Whatever mapping a checkpoint holds; see `ugpnet.checkpoint_file`. Raises WeightsError naming the file."""
    try:
        return checkpoint_file.read_checkpoint(path)
    except CheckpointMismatch as error:
        raise WeightsError(str(error)) from None
