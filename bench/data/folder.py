"""A folder of image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.data.fingerprint import file_key
from bench.data.images import SUFFIXES
from bench.data.listing import list_files


class FolderImages:
    """Every image below a folder by the path to it with forward slashes; natural order. See `Collection`.

    Raises DataError if there is none.
    """

    names: Sequence[str]

    def __init__(self, folder: Path) -> None:
        self.title = str(folder)
        self._paths = list_files(folder, SUFFIXES, "image")
        self.names = list(self._paths)

    def label(self, name: str) -> str:
        """See `Collection`."""
        return str(self._paths[name])

    def file(self, name: str) -> Path:
        """See `Collection`."""
        return self._paths[name]

    def key(self, name: str) -> str:
        """See `Collection`."""
        try:
            return file_key(self._paths[name])
        except OSError:  # a link that leads nowhere: reading it says so
            return ""
