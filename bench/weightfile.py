"""Files of weights: our own safetensors with every network of a stage, and checkpoints of others, read safely."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from bench.errors import WeightsError
from ugpnet.recipe import Weights

SEPARATOR = ":"

_REBUILD: Any = np.float64(0).__reduce__()[0]
NUMPY_SCALARS: list[Any] = [
    (_REBUILD, "numpy.core.multiarray.scalar"), (_REBUILD, "numpy._core.multiarray.scalar"),
    np.dtype, np.dtypes.Float64DType, np.dtypes.Float32DType, np.dtypes.Int64DType,
]  # fmt: skip
"""What a pickled number of NumPy 1 or 2 names; none of it runs code."""


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
    """Whatever mapping a checkpoint holds: safetensors, or torch's format restricted to tensors, numbers and containers.

    Raises WeightsError: not a checkpoint, cut short, or a pickle that wants to run code (refused).
    """
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    try:
        with torch.serialization.safe_globals(NUMPY_SCALARS):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f"{path}: refused: this pickle holds more than tensors and could run code ({_first(error)}); "
            "ask its author for safetensors or a plain state dict"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path}: cannot be read as a checkpoint, it may be cut short or no checkpoint: {_first(error)}"
        ) from None
    if not isinstance(content, Mapping):
        raise WeightsError(f"{path}: holds a {type(content).__name__} where a state dict is wanted")
    return content


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        tensors: dict[str, Tensor] = load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise WeightsError(f"{path}: cannot be read as safetensors: {_first(error)}") from None
    return tensors


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
