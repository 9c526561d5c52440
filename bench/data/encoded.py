"""An image file that lies in a table, an archive or a database rather than in a folder."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, Protocol


class Content(Protocol):
    """Bytes, or what gives them when it is sliced."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes | memoryview: ...


@dataclass(frozen=True)
class Encoded:
    """The bytes of an image file; opened as a `Path` is. `name` is what errors call it."""

    name: str
    content: Content = field(repr=False)

    def open(self, mode: Literal["rb"] = "rb") -> BinaryIO:
        return io.BufferedReader(_Sliced(self.content))

    def __str__(self) -> str:
        return self.name


class _Sliced(io.RawIOBase):
    """A file over content: of what lies on a disk, only the parts that are read leave it.

    `io.BytesIO` would copy all of it, and pyarrow's reader refuses to seek past the end, as image formats do.
    """

    def __init__(self, content: Content) -> None:
        self._content = content
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
