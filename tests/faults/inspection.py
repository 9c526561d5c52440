"""What lies in a results folder: every file at its final name loads, and two folders can be compared byte for byte."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow.parquet
from PIL import Image
from safetensors.numpy import load as parse_tensors

from bench.store import KEY, Store
from bench.train import checkpoint

UNLIKE: Mapping[str, tuple[str, ...]] = {
    "job.json": ("seconds", "seconds_training", "peak_memory"),
    "manifest.json": ("seconds", "peak_memory"),
}
"""Fields that no two runs share, as they say how long a run took and what it held: all that is not compared."""


class Inspector:
    """Reads every file at a final name once, and again where it has changed."""

    def __init__(self, results: Path) -> None:
        self.results = results
        self.store = Store(results)
        self.known: dict[Path, tuple[int, int]] = {}
        self.done: dict[str, int] = {}
        self.read = 0

    def inspect(self) -> list[str]:
        """What is wrong: files that do not load, digests that are not those recorded, finished jobs that were done again."""
        wrong: list[str] = []
        for path in final_files(self.results):
            stat = path.stat()
            if self.known.get(path) != (stat.st_ino, stat.st_mtime_ns):
                self.known[path] = (stat.st_ino, stat.st_mtime_ns)
                self.read += 1
                wrong += _complaints(path)
        return [*wrong, *self._recomputed()]

    def _recomputed(self) -> Iterator[str]:
        """A result that is made again lies in another folder, of another inode."""
        there = {key: self.store.path(key).stat().st_ino for key in self.store.all_keys()}
        for key, inode in there.items():
            if key not in self.done:
                yield from (f"{key}/{name}: not as recorded" for name in self.store.damaged(key))
            elif self.done[key] != inode:
                yield f"{key}: was done, and has been done again"
        yield from (f"{key}: was done, and is gone" for key in self.done.keys() - there.keys())
        self.done = there


def final_files(results: Path) -> Iterator[Path]:
    """All but what begins with a dot or ends in `.tmp`; of the folders where jobs work, the checkpoints."""
    work = results / ".store" / ".work"
    for path in sorted(results.rglob("*")):
        if not path.is_file() or path.name.startswith(".") or path.suffix == ".tmp" or ".lock" in path.parts:
            continue
        if work not in path.parents or path.name.startswith("checkpoint-"):
            yield path


def _complaints(path: Path) -> Iterator[str]:
    try:
        LOADED[path.suffix](path.read_bytes())
        if path.match("checkpoint-*.json"):
            checkpoint._read(path)  # its digests too
    except Exception as error:
        yield f"{path}: {type(error).__name__}: {error}"


def _load_image(content: bytes) -> None:
    Image.open(io.BytesIO(content)).load()


def _ends(last: bytes) -> Callable[[bytes], None]:
    def check(content: bytes) -> None:
        if not content.rstrip().endswith(last):
            raise ValueError(f"does not end with {last!r}")

    return check


LOADED: Mapping[str, Callable[[bytes], object]] = {
    ".json": json.loads, ".png": _load_image, ".safetensors": parse_tensors, ".npy": lambda c: np.load(io.BytesIO(c)),
    ".parquet": lambda content: pyarrow.parquet.read_table(io.BytesIO(content), use_threads=False), ".pdf": _ends(b"%%EOF"),
    ".sha256": lambda content: bytes.fromhex(content.decode()),
    ".html": _ends(b"</html>"), ".md": _ends(b""), ".csv": _ends(b""), ".tex": _ends(b""),
}  # fmt: skip
"""How a file is read whole. A table in text has no end of its own: that it is whole, the comparison at the end shows."""


def content(results: Path) -> dict[str, bytes]:
    """Every file of the results and of the runs by its path, without `UNLIKE`; the store's own business and caches left out."""
    found = {}
    for path in final_files(results):
        name = path.relative_to(results)
        if name.parts[0] != ".store" or KEY.fullmatch(name.parts[1]):
            found[str(name)] = _comparable(path)
    return found


def _comparable(path: Path) -> bytes:
    if path.name not in UNLIKE:
        return path.read_bytes()
    document = json.loads(path.read_bytes())
    return json.dumps({k: v for k, v in document.items() if k not in UNLIKE[path.name]}, sort_keys=True).encode()


def differences(results: Path, reference: Mapping[str, bytes]) -> list[str]:
    """The files that are here or there only, or whose bytes differ."""
    found = content(results)
    return sorted(name for name in found.keys() | reference.keys() if found.get(name) != reference.get(name))
