"""Rendered portraits kept on disk: all stages, methods and runs share them, and rendering uses every core once."""

from __future__ import annotations

import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.portraits import VERSION
from bench.digest import digest, known_digest
from bench.store import write_atomically

SHARD = 500
"""Portraits per file: a file is the unit that exists whole or not at all, and that one process renders."""


class Shards:
    """Portraits `first` to `first + count` of a seed at a size, by index from 0, from files in `folder`.

    A file is named by all that decides its pixels, and its sha256 is in a file beside it: keys name the renderer, not the
    pixels, so a damaged file must not pass for its work. What is missing or damaged is rendered when it is first asked for.
    """

    def __init__(self, folder: Path, seed: int, first: int, count: int, size: int) -> None:
        self._folder = folder
        self._seed, self._first, self._count, self._size = seed, first, count, size
        self._open: dict[int, NDArray[np.uint8]] = {}

    def image(self, index: int) -> NDArray[np.uint8]:
        """(size, size, 3)."""
        shard, place = divmod(index, SHARD)
        if shard not in self._open:
            self._render_missing()
            self._open[shard] = np.load(self._path(self._ranges()[shard]), mmap_mode="r")
        portrait: NDArray[np.uint8] = self._open[shard][place]
        return portrait

    def _ranges(self) -> list[range]:
        end = self._first + self._count
        return [range(start, min(start + SHARD, end)) for start in range(self._first, end, SHARD)]

    def _path(self, indices: range) -> Path:
        name = f"portraits-v{VERSION}-seed{self._seed}-{self._size}px-{indices.start}-{indices.stop}.npy"
        return self._folder / name

    def _render_missing(self) -> None:
        missing = [indices for indices in self._ranges() if not _is_intact(self._path(indices))]
        if not missing:
            return
        self._folder.mkdir(parents=True, exist_ok=True)
        write = partial(_write_shard, self._seed, self._size)
        paths = [self._path(indices) for indices in missing]
        if len(missing) == 1 or multiprocessing.current_process().daemon:  # a loader worker may have no children
            for indices, path in zip(missing, paths, strict=True):
                write(indices, path)
            return
        # Spawned, not forked: this process may hold torch's threads.
        with ProcessPoolExecutor(min(os.cpu_count() or 1, len(missing)), multiprocessing.get_context("spawn")) as pool:
            list(pool.map(write, missing, paths))

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": {}}


def _write_shard(seed: int, size: int, indices: range, path: Path) -> None:
    from bench.data.portraits.render import render

    images = np.ascontiguousarray([render(seed, index, size) for index in indices])
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            # np.save would leave the pixels to C, which says nothing of a disk that fills up.
            np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(images))
            file.write(images.data)
            file.flush()
            os.fsync(file.fileno())
        made = digest(beside)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
    write_atomically(_digest_file(path), made.encode())


def _is_intact(path: Path) -> bool:
    try:
        return _digest_file(path).read_bytes() == known_digest(path).encode()
    except OSError:
        return False


def _digest_file(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")
