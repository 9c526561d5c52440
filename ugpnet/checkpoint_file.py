"""Reading checkpoints that others wrote: tensors and plain containers only, never code."""

from __future__ import annotations

import pickletools
import re
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import suppress
from os import PathLike
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from ugpnet.checkpoints import CheckpointMismatch, CheckpointUnreadable

REFUSED = "refused: this pickle holds more than tensors and could run code"
LONGEST_WORD = 5000
"""Letters without a space between them; names of modules and of tensors have tens."""
OLD_PICKLES = 5
"""Before PyTorch 1.6, a file began with: magic number, version, system, content, keys of the tensors."""
ADVICE = "ask its author for safetensors or a plain state dict"


def read_checkpoint(file: str | PathLike[str]) -> Mapping[str, Any]:
    """Whatever mapping a checkpoint holds, on the CPU: safetensors, or torch's format without any code in it.

    Raises CheckpointUnreadable, naming the file: not there, cut short, no checkpoint, or refused: a pickle that wants to run
    code, entries or tensors that claim more bytes than the file has. Raises CheckpointMismatch where it holds something else
    than a mapping.
    """
    path = Path(file)
    try:
        content = load_file(str(path)) if path.suffix == ".safetensors" else _load_tensors(path)
        _refuse_swollen(content, path)
    except CheckpointUnreadable:
        raise
    # A pickle is a program: torch's reader raises whatever a damaged or a hostile one makes of it.
    except Exception as error:
        raise CheckpointUnreadable(f"{path}: {_reason(path, error)}") from None
    if not isinstance(content, Mapping):
        raise CheckpointMismatch(f"{path}: holds a {type(content).__name__} where a state dict is wanted")
    return content


def _load_tensors(path: Path) -> Any:
    _refuse_bomb(path)
    _refuse_endless_words(path)
    with torch.serialization.safe_globals(_numpy_scalars()):
        return torch.load(path, map_location="cpu", weights_only=True)


def _refuse_bomb(path: Path) -> None:
    """torch stores tensors as they are. Compressed or overlapping entries would unpack into more than the file has."""
    with path.open("rb") as stream:
        if stream.read(4) != b"PK\x03\x04":
            return
    with zipfile.ZipFile(path) as archive:
        claimed, size = sum(entry.file_size for entry in archive.infolist()), path.stat().st_size
    if claimed > size:
        problem = f"its entries claim {claimed} bytes, the file has {size}"
        raise CheckpointUnreadable(
            f"{path}: refused: {problem}; torch never compresses, ask its author for safetensors"
        )


def _refuse_endless_words(path: Path) -> None:
    """torch words its refusals by regular expressions whose time grows with the square of a word's length: hours for a megabyte
    that a pickle names."""
    longest = max((len(word) for text in _texts(path) for word in text.split()), default=0)
    if longest > LONGEST_WORD:
        raise CheckpointUnreadable(f"{path}: refused: a word of {longest} letters in its pickle; {ADVICE}")


def _texts(path: Path) -> Iterator[str]:
    """Names and strings in the file's pickles, as far as these can be read."""
    with suppress(Exception), path.open("rb") as file:  # what is damaged, torch says better
        if not zipfile.is_zipfile(file):
            file.seek(0)
            yield from (text for _ in range(OLD_PICKLES) for text in _operands(file))
            return
        with zipfile.ZipFile(file) as archive:
            for entry in archive.infolist():
                if entry.filename.endswith(".pkl"):
                    yield from _operands(archive.open(entry))


def _operands(pickled: IO[bytes]) -> Iterator[str]:
    return (operand for _, operand, _ in pickletools.genops(pickled) if isinstance(operand, str))


def _refuse_swollen(content: Any, path: Path) -> None:
    """A tensor with strides of 0 is as large as it likes without a byte in the file, until somebody copies it."""
    size = path.stat().st_size
    for tensor in _tensors(content):
        if tensor.numel() * tensor.element_size() > size:
            shape = tuple(tensor.shape)
            raise CheckpointUnreadable(f"{path}: refused: a tensor claims the shape {shape}, the file has {size} bytes")


def _tensors(content: Any) -> Iterator[Tensor]:
    """All tensors in nested containers, each container entered once: a pickle may put one into itself."""
    left, seen = [content], {id(content)}
    while left:
        each = left.pop()
        if isinstance(each, Tensor):
            yield each
        elif isinstance(each, (Mapping, list, tuple, set)):
            inner = list(each.values() if isinstance(each, Mapping) else each)
            left += [value for value in inner if id(value) not in seen]
            seen.update(map(id, inner))


def _numpy_scalars() -> list[Any]:
    """What a pickled number of NumPy 1 or 2 names; none of it runs code."""
    import numpy as np

    rebuild: Any = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")
    kinds = (np.dtype, np.dtypes.Float64DType, np.dtypes.Float32DType, np.dtypes.Int64DType)
    return [*((rebuild, name) for name in names), *kinds]


def _reason(path: Path, error: BaseException) -> str:
    """What is wrong, in words; torch's own text is long and advises to load the file unsafely."""
    if code := re.search(r"GLOBAL ([\w.]+)", str(error)):
        return f"{REFUSED} (it names {code[1]}); {ADVICE}"
    if not path.is_file():
        return "is a folder, not a checkpoint" if path.is_dir() else "no such file"
    with path.open("rb") as stream:
        head = stream.read(64).lstrip()
    if not head:
        return "is empty; fetch it again"
    if isinstance(error, MemoryError):
        return "refused: reading it takes more memory than there is"
    if head.startswith(b"PK") and not zipfile.is_zipfile(path):
        return "is cut short, as half a download is; fetch it again"
    if head.startswith(b"<"):
        return "is a web page, not a checkpoint; its link may want a log-in"
    if head.startswith(b"\x80") and "Unsupported operand" in str(error):  # a bare pickle, as no version of torch saves
        return f"{REFUSED}; {ADVICE}"
    return f"cannot be read as a checkpoint, it may be cut short or no checkpoint ({_first(error)})"


def _first(error: BaseException) -> str:
    """The line of the message that says what happened."""
    lines = str(error).removesuffix(".").splitlines()
    told = [line for line in lines if line.startswith("Unsupported")] or lines[:1]
    return told[0] if told else type(error).__name__
