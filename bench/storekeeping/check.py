"""Which finished results are not what they were when they were committed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.errors import StoreError
from bench.store import Store


@dataclass(frozen=True)
class Damage:
    """A result with `files` that are gone or differ; `label` is empty where its record is damaged."""

    key: str
    label: str
    files: tuple[str, ...]


def choose_keys(store: Store, prefixes: Sequence[str]) -> list[str]:
    """All keys, or those that begin so. Raises StoreError for a prefix that none has."""
    keys = store.all_keys()
    for prefix in prefixes:
        if not any(key.startswith(prefix) for key in keys):
            raise StoreError(f"{store.folder}: no result {prefix!r}; `bench plan` shows the keys of a suite's jobs")
    return [key for key in keys if not prefixes or key.startswith(tuple(prefixes))]


def check_results(store: Store, keys: Sequence[str], tell: Callable[[], None]) -> Iterator[Damage]:
    """The damaged ones, every byte of every file read. Files are hashed on all cores; `tell` is called once a result."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for key, files in zip(keys, pool.map(store.damaged, keys), strict=True):
            tell()
            if files and store.path(key).exists():  # a run may have discarded it meanwhile
                yield Damage(key, label_of(store, key), tuple(files))


def label_of(store: Store, key: str) -> str:
    """What the job is called, empty where its record is damaged."""
    try:
        return str(store.record(key)["label"])
    except StoreError:
        return ""


def discard_unlocked(store: Store, key: str) -> bool:
    """Discard a result unless a process works on it; whether that was done."""
    with store.locked(key, wait=False) as ours:
        if ours:
            store.discard(key)
        return ours
