"""Image files by name, wherever they lie: in a folder, the shards of an archive, a database, a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from bench.data import remembered
from bench.data.fingerprint import READING, digest_all
from bench.data.images import ImageFile, check_image
from bench.data.scale import Sides

ColumnName = TypeVar("ColumnName", contravariant=True)


class Collection(Protocol):
    """Encoded images in a fixed order; picklable, and the same in every process."""

    @property
    def title(self) -> str:
        """What errors call it."""

    @property
    def names(self) -> Sequence[str]:
        """Unique."""

    def label(self, name: str) -> str:
        """What errors call the image."""

    def file(self, name: str) -> ImageFile:
        """The image as it is encoded. Raises DataError if there is none of this name after all."""

    def key(self, name: str) -> str:
        """What the image is known by as long as it is unchanged; empty where nothing tells. Raises what `file` does."""


class Table(Protocol[ColumnName]):
    """Records with several images each, by name and column; else as `Collection`."""

    @property
    def title(self) -> str: ...
    @property
    def names(self) -> Sequence[str]: ...
    def label(self, name: str) -> str: ...
    def file(self, name: str, column: ColumnName) -> ImageFile: ...
    def key(self, name: str, column: ColumnName) -> str: ...


class Column(Generic[ColumnName]):
    """One column of a table; see `Collection`."""

    def __init__(self, table: Table[ColumnName], column: ColumnName) -> None:
        self.title, self.names = table.title, table.names
        self._table, self._column = table, column

    def label(self, name: str) -> str:
        """See `Collection`."""
        return self._table.label(name)

    def file(self, name: str) -> ImageFile:
        """See `Collection`."""
        return self._table.file(name, self._column)

    def key(self, name: str) -> str:
        """See `Collection`."""
        return self._table.key(name, self._column)


def digest_images(images: Collection, names: Sequence[str], cache: Path | None = None) -> list[str]:
    """sha256 of each encoded image; in the folder `cache` they are kept while the images are unchanged."""
    keys = [images.key(name) for name in names]
    known = all(keys)
    file = cache / "digests.json" if cache and known else None
    return digest_all(keys if known else names, lambda index: _content(images.file(names[index])), file)


def _content(file: ImageFile) -> bytes | memoryview:
    return file.read_bytes() if isinstance(file, Path) else file.content[:]


class Headers:
    """`check_image` of each image once, as long as it is unchanged: 70,000 headers are a minute of a network disk."""

    def __init__(self, known: dict[str, str]) -> None:
        self._known = known
        self.fresh: dict[str, str] = {}

    def sides(self, images: Collection, name: str) -> Sides:
        """In pixels, the shorter one first. Raises DataError, each time, where the image cannot be used."""
        key = images.key(name)
        if text := self._known.get(key):
            short, long = text.split()
            return int(short), int(long)
        sides = check_image(images.file(name))
        if key:
            self._known[key] = self.fresh[key] = f"{sides[0]} {sides[1]}"
        return sides


@contextmanager
def known_headers(cache: Path | None) -> Iterator[Headers]:
    """Headers that the folder `cache` knows; what is looked at within the block is kept there, errors or not."""
    file = cache / f"sides-{READING}.json" if cache else None
    headers = Headers(remembered.load(file))
    try:
        yield headers
    finally:
        remembered.add(file, headers.fresh)
