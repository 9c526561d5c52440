"""An image file that lies in a table rather than in a folder."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal


@dataclass(frozen=True)
class Encoded:
    """The bytes of an image file, anything with a buffer; opened as a `Path` is. `name` is what errors call it."""

    name: str
    content: Any = field(repr=False)

    def open(self, mode: Literal["rb"] = "rb") -> BinaryIO:
        return io.BufferedReader(_Mapped(self.content))

    def __str__(self) -> str:
        return self.name


class _Mapped(io.RawIOBase):
    """A file over a buffer: of one in a mapped file, only the pages that are read leave the disk.

    `io.BytesIO` would copy all of it, and pyarrow's reader refuses to seek past the end, as image formats do.
    """

    def __init__(self, content: Any) -> None:
        self._content = memoryview(content).cast("B")
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self._content)}[whence]
        if start + offset < 0:
            raise ValueError(f"cannot seek to {start + offset}")
        self._at = start + offset
        return self._at

    def readinto(self, target: Any) -> int:
        part = self._content[self._at : self._at + len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)
