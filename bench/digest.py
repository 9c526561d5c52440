"""What a file holds, by sha256, and when that has to be looked at again. Light: no torch."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

BLOCK = 1 << 20

Stamp: TypeAlias = tuple[int, int, int, int]


def stamp(path: Path) -> Stamp:
    """Size, time of modification (ns), time of change (ns) and inode: a file that keeps them keeps its content.

    Size and time of modification alone do not say so: `cp -p`, `rsync -t` and `touch -r` give another file the time of the
    one that it replaces. The time of change is the kernel's and cannot be set. Raises OSError where there is no file.
    """
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_ino


def digest(path: Path) -> str:
    """sha256 of a file's content in hex, read in blocks."""
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            state.update(block)
    return state.hexdigest()


def known_digest(path: Path) -> str:
    """`digest`, computed once per process as long as the file's `stamp` is the same."""
    return _remembered(path, stamp(path))


@lru_cache(maxsize=100_000)
def _remembered(path: Path, state: Stamp) -> str:
    return digest(path)
