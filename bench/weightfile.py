"""Files of weights: our own safetensors with every network of a stage, and checkpoints of others, read safely."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from bench.errors import WeightsError
from ugpnet import checkpointfile
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
    save_file(tensors, str(path), metadata={"format": "ugpnet-bench/1"})


def load_weights(path: Path) -> dict[str, dict[str, Tensor]]:
    """Networks and their state dicts, on the CPU. Raises WeightsError naming the file."""
    weights: dict[str, dict[str, Tensor]] = {}
    for name, tensor in _read_safetensors(path).items():
        network, separator, key = name.partition(SEPARATOR)
        if not separator:
            raise WeightsError(f"{path}: not a file of this harness: entry {name!r} names no network")
        weights.setdefault(network, {})[key] = tensor
    return weights


def is_own(path: Path) -> bool:
    """Whether `load_weights` reads this file."""
    return path.suffix == ".safetensors" and all(SEPARATOR in name for name in _read_safetensors(path))


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """What `ugpnet.checkpointfile.read_checkpoint` reads. Raises WeightsError naming the file."""
    with _as_weights_errors():
        return checkpointfile.read_checkpoint(path)


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    with _as_weights_errors():
        return checkpointfile.read_safetensors(path)


@contextmanager
def _as_weights_errors() -> Iterator[None]:
    try:
        yield
    except CheckpointMismatch as error:
        raise WeightsError(str(error)) from None
