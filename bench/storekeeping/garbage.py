"""What nobody needs any more: results that no run refers to, work that was left lying, the cache."""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from bench.store import KEY, Store
from bench.storekeeping.check import discard_unlocked, label_of

DAY = 24 * 3600.0
"""In seconds: work that was touched since is left alone."""


@dataclass(frozen=True)
class Garbage:
    """A folder or file of the store, how many bytes its files hold, and what it is called."""

    kind: Literal["result", "work", "cache"]
    path: Path
    size: int
    label: str


def find_garbage(store: Store, needed: Collection[str], cache: bool, now: float | None = None) -> Iterator[Garbage]:
    """What could be removed. Work on a needed job that is not finished yet is no garbage: the job goes on from there."""
    for key in store.all_keys():
        if key not in needed:
            yield Garbage("result", store.path(key), _size(store.path(key)), label_of(store, key))
    before = (time.time() if now is None else now) - DAY
    for path in sorted((store.folder / ".work").glob("*")):
        owner = key_in(path)
        resumed = owner is not None and owner in needed and not store.has(owner)
        if not resumed and _touched(path) < before:
            yield Garbage("work", path, _size(path), "")
    if cache and store.cache.is_dir():
        yield Garbage("cache", store.cache, _size(store.cache), "")


def remove(store: Store, garbage: Garbage) -> bool:
    """Whether it was removed: what belongs to a key that a living process has locked is not."""
    if garbage.kind == "result":
        return discard_unlocked(store, garbage.path.name)
    key = key_in(garbage.path)
    with store.locked(key, wait=False) if key else nullcontext(True) as ours:
        if ours and garbage.path.is_dir():
            shutil.rmtree(garbage.path, ignore_errors=True)
        elif ours:
            garbage.path.unlink(missing_ok=True)
        return ours


def key_in(path: Path) -> str | None:
    """The key in the name of something in `.work`: `<key>`, `<key>.error.txt`, `.discarded-<key>-...`."""
    found = KEY.search(path.name)
    return found[0] if found else None


def _files(path: Path) -> list[Path]:
    return [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in _files(path))


def _touched(path: Path) -> float:
    """When anything in it was last written."""
    return max((each.stat().st_mtime for each in (path, *_files(path))), default=0.0)
