"""Reading a checkpoint that somebody else wrote, without running code from it."""

from __future__ import annotations

import pickle
import re
import zipfile
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ugpnet.checkpoints import CheckpointMismatch


def read_checkpoint(path: str | PathLike[str]) -> Mapping[str, Any]:
    """Whatever mapping a checkpoint holds: safetensors, or torch's format restricted to tensors, numbers and containers.

    Raises CheckpointMismatch naming the file: no checkpoint, cut short, or a pickle that wants to run code (refused).
    """
    if Path(path).suffix == ".safetensors":
        return read_safetensors(path)
    try:
        with torch.serialization.safe_globals(_numpy_scalars()):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointMismatch(
            f"{path}: refused: this pickle holds more than tensors and could run code{_named(error)}; "
            "ask its author for safetensors or a plain state dict"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointMismatch(
            f"{path}: cannot be read as a checkpoint, it may be cut short or no checkpoint: {_first(error)}"
        ) from None
    if not isinstance(content, Mapping):
        raise CheckpointMismatch(f"{path}: holds a {type(content).__name__} where a state dict is wanted")
    return content


def read_safetensors(path: str | PathLike[str]) -> dict[str, Tensor]:
    """The tensors of a safetensors file, on the CPU. Raises CheckpointMismatch naming the file."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(str(path))
    except (SafetensorError, OSError) as error:
        raise CheckpointMismatch(f"{path}: cannot be read as safetensors: {_first(error)}") from None
    return tensors


def _numpy_scalars() -> list[Any]:
    """What a pickled number of NumPy 1 or 2 names; none of it runs code."""
    import numpy as np

    rebuild: Any = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    kinds = (np.dtype, np.dtypes.Float64DType, np.dtypes.Float32DType, np.dtypes.Int64DType)
    return [*((rebuild, name) for name in names), *kinds]


def _named(error: pickle.UnpicklingError) -> str:
    """What the pickle asked for. The rest of torch's message advises to load it all the same."""
    found = re.search(r"GLOBAL ([\w.]+)", str(error))
    return f" ({found[1]})" if found else ""


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
