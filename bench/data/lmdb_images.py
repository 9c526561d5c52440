"""Images in a database as BasicSR writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

from bench.data.collection import Collection
from bench.data.encoded import Encoded
from bench.data.fingerprint import file_key
from bench.data.folder import FolderImages
from bench.data.listing import check_unique, natural_key, stem
from bench.data.meta_info import read_meta_info
from bench.errors import DataError

SUFFIX = ".lmdb"
_ONE_AT_A_TIME = Lock()
"""The library opens a database once per process."""


class LmdbImages:
    """The images that `meta_info.txt` of an lmdb lists, in natural order. See `Collection`.

    The database is opened for each image, for reading and without locks: a tenth of a millisecond, and nothing that another
    process could inherit. Raises DataError if it is missing, cut off or no database.
    """

    names: Sequence[str]

    def __init__(self, folder: Path) -> None:
        self.title = str(folder)
        self._folder = folder
        if not (folder / "data.mdb").is_file():
            raise DataError(f"{folder}: no such lmdb (a folder with data.mdb and meta_info.txt); check the path")
        listed = [name for name, _ in read_meta_info(folder / "meta_info.txt")]
        check_unique(map(stem, listed), f"{folder / 'meta_info.txt'}")
        self.names = sorted(listed, key=natural_key)
        self._value(self.names[0])

    def label(self, name: str) -> str:
        """See `Collection`."""
        return f"{self._folder}: {name}"

    def file(self, name: str) -> Encoded:
        """See `Collection`."""
        value = self._value(name)
        if value is None:
            raise DataError(f"{self.label(name)}: is in meta_info.txt, but not in the database; make the lmdb anew")
        return Encoded(self.label(name), value)

    def key(self, name: str) -> str:
        """See `Collection`."""
        try:
            return f"{file_key(self._folder / 'data.mdb')}|{name}"
        except OSError:  # gone: reading it says so
            return ""

    def _value(self, name: str) -> bytes | None:
        lmdb = _library()
        try:
            with (
                _ONE_AT_A_TIME,
                lmdb.open(str(self._folder), readonly=True, lock=False, readahead=False) as database,
                database.begin() as transaction,
            ):
                self._require_whole(database)
                value: bytes | None = transaction.get(stem(name).encode())  # its key, by BasicSR
                return value
        except lmdb.Error as error:
            raise DataError(
                f"{self._folder}: cannot be read as an lmdb ({error}); check the path, or make it anew"
            ) from None

    def _require_whole(self, database: Any) -> None:
        """A page behind the file's end would end this process instead of raising anything."""
        wanted = (database.info()["last_pgno"] + 1) * database.stat()["psize"]
        if (size := (self._folder / "data.mdb").stat().st_size) < wanted:
            raise DataError(f"{self._folder}: data.mdb is cut off: {size} of {wanted} bytes; copy it again")


def open_images(path: Path) -> Collection:
    """The images of an lmdb (`*.lmdb`), else of a folder."""
    return LmdbImages(path) if path.suffix == SUFFIX else FolderImages(path)


def _library() -> Any:
    try:
        import lmdb
    except ImportError:
        raise DataError('lmdb: the library `lmdb` is missing: pip install "ugpnet-bench[lmdb]"') from None
    return lmdb
