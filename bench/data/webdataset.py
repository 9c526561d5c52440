"""Images in tar shards as the library webdataset writes them, read where they lie: no unpacking, no order of reading."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from bench.data.braces import expand_braces
from bench.data.config import WebdatasetData
from bench.data.encoded import Encoded
from bench.data.fingerprint import file_key
from bench.data.images import SUFFIXES
from bench.data.listing import abridge, check_unique, list_files, natural_key
from bench.data.tar_index import read_index
from bench.errors import DataError

MOST_OPEN = 256
"""Shards that a process keeps open; systems allow 1,024 files by default."""

_NAME = re.compile(r"((?:.*/)?[^./]+)\.([^/]*)")
"""Key and extension: a key ends at the first dot of the last part, and what has neither belongs to no sample."""


class Sample(NamedTuple):
    """What a shard holds under one key."""

    shard: Path
    key: str
    parts: dict[str, tuple[int, int]]
    """(offset, size) by extension, in small letters."""


class Samples:
    """The samples of all shards by the names that their images would have in a folder; natural order. See `Table`.

    Every shard's members are known from the start (`read_index`). Raises DataError on shards that are missing or cannot be
    read.
    """

    def __init__(self, config: WebdatasetData, root: Path, cache: Path | None = None) -> None:
        self.title = f"webdataset {config.path}"
        shards = find_shards(config.path, root)
        if missing := [str(path) for path in shards.values() if not path.is_file()]:
            raise DataError(f"{self.title}: no such shards; check the path: {', '.join(abridge(missing))}")
        found = [
            (f"{place}/{_image_name(sample, config.column)}", sample)
            for place, shard in shards.items()
            for sample in _samples(shard, cache)
        ]
        if not found:
            raise DataError(f"{self.title}: the shards hold no samples (`key.png`, ...); check the path")
        check_unique((name for name, _ in found), self.title)
        self._samples = dict(sorted(found, key=lambda named: natural_key(named[0])))
        self.names = list(self._samples)
        self._stamps: dict[Path, str] = {}
        self._open: dict[Path, io.FileIO] = {}

    def label(self, name: str) -> str:
        """What errors call the sample."""
        return f"{self._samples[name].shard}: {self._samples[name].key}"

    def part(self, name: str, column: str | None) -> tuple[str, int, int]:
        """Extension, offset and size of the one part that `column` means. Raises DataError if it is none or several."""
        parts = self._samples[name].parts
        fitting = _fitting(parts, column)
        if len(fitting) == 1:
            return (fitting[0], *parts[fitting[0]])
        here, what = ", ".join(sorted(parts)), "image" if column is None else f"part {column!r}"
        trouble = f"holds no {what}, but {here}" if not fitting else f"which image is meant, of {here}? Set `column`"
        raise DataError(f"{self.label(name)}: {trouble}")

    def file(self, name: str, column: str | None) -> Encoded:
        """The encoded image, not read yet. Raises what `part` raises."""
        extension, offset, size = self.part(name, column)
        return Encoded(f"{self.label(name)}.{extension}", Stretch(self, self._samples[name].shard, offset, size))

    def key(self, name: str, column: str | None) -> str:
        """What the image is known by while its shard is unchanged; one that was replaced meanwhile is opened anew."""
        _, offset, size = self.part(name, column)
        shard = self._samples[name].shard
        try:
            stamp = file_key(shard)
        except OSError:  # gone: reading it says so
            return ""
        if self._stamps.setdefault(shard, stamp) != stamp:
            self._stamps[shard] = stamp
            self._open.pop(shard, None)
        return f"{stamp}|{offset}|{size}"

    def read(self, shard: Path, offset: int, size: int) -> bytes:
        """Bytes of a shard, fewer where it has been cut off meanwhile. Children of this process may use the same files."""
        file = self._open.get(shard)
        if file is None:
            if len(self._open) >= MOST_OPEN:
                self._open.clear()
            file = self._open[shard] = io.FileIO(shard)
        return os.pread(file.fileno(), size, offset)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_open": {}}


class Stretch:
    """A stretch of a shard; see `bench.data.encoded.Content`."""

    def __init__(self, samples: Samples, shard: Path, offset: int, size: int) -> None:
        self._samples, self._shard, self._offset, self._size = samples, shard, offset, size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice, /) -> bytes:
        start, stop, _ = part.indices(self._size)
        return self._samples.read(self._shard, self._offset + start, max(0, stop - start))


def find_shards(pattern: str, root: Path) -> dict[str, Path]:
    """Shards by the name of the folder that each would be unpacked into: all `*.tar` of a folder, or what a pattern names."""
    folder = root / pattern
    if folder.is_dir():
        return {name.removesuffix(".tar"): path for name, path in list_files(folder, {".tar"}, "shard").items()}
    parent = pattern.partition("{")[0].rpartition("/")[0]
    return {
        shard.removeprefix(f"{parent}/" if parent else "").removesuffix(".tar"): root / shard
        for shard in expand_braces(pattern)
    }


def _samples(shard: Path, cache: Path | None) -> list[Sample]:
    found: dict[str, Sample] = {}
    for name, offset, size in read_index(shard, cache):
        if not (match := _NAME.fullmatch(name)):
            continue
        key, extension = match[1], match[2].lower()
        parts = found.setdefault(key, Sample(shard, key, {})).parts
        if extension in parts:
            raise DataError(f"{shard}: holds {key}.{extension} twice; write the shard anew with one of them")
        parts[extension] = offset, size
    return list(found.values())


def _image_name(sample: Sample, column: str | None) -> str:
    fitting = _fitting(sample.parts, column)
    return f"{sample.key}.{fitting[0]}" if fitting else sample.key


def _fitting(parts: Mapping[str, object], column: str | None) -> list[str]:
    return [part for part in parts if (f".{part}" in SUFFIXES if column is None else part == column.lower())]
