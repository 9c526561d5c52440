"""Which results the runs of a results folder refer to."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench.errors import StoreError
from bench.job import Job
from bench.store import Store, write_atomically

MANIFEST = "manifest.json"
UNFINISHED = "unfinished.json"
"""Holds the jobs of a run that has begun, until its manifest is there."""


def announce(folder: Path, jobs: Sequence[Job], store: Store) -> None:
    """Say, before anything is looked for in the store, which results a run needs: they are nobody's garbage."""
    with store.locked_runs():
        write_atomically(folder / UNFINISHED, json.dumps({"jobs": described(jobs)}, indent=1).encode())


def described(jobs: Sequence[Job]) -> dict[str, dict[str, str]]:
    """The jobs as manifests list them."""
    return {job.key: {"kind": job.kind, "label": job.label} for job in jobs}


def read_manifest(path: Path) -> Mapping[str, Any]:
    """What made a run; its `jobs` are a mapping by key. Raises StoreError naming the file where it is damaged."""
    try:
        manifest = json.loads(path.read_bytes())
        jobs = manifest["jobs"]
        if not isinstance(jobs, dict):
            raise ValueError("its jobs are no mapping")
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        why = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({error})"
        raise StoreError(f"{path}: {why}; run its suite again, or delete this folder") from None
    return dict(manifest)


def find_runs(root: Path) -> list[Path]:
    """The folders below `root` of runs that have begun, at any depth, also behind links; hidden folders are left out."""
    found, seen = [], set()
    for parent, folders, names in os.walk(root, followlinks=True):
        seen.add(os.path.realpath(parent))
        inner = (name for name in folders if not name.startswith("."))
        folders[:] = [name for name in inner if os.path.realpath(os.path.join(parent, name)) not in seen]
        if MANIFEST in names or UNFINISHED in names:
            found.append(Path(parent))
    return sorted(found)


def needed_keys(store: Store, runs: Iterable[Path]) -> set[str]:
    """What the runs refer to, and all that this was made from. Raises StoreError where a run cannot be read."""
    needed: set[str] = set()
    left = [key for folder in runs for path in _manifests(folder) for key in read_manifest(path)["jobs"]]
    while left:
        key = left.pop()
        if key not in needed:
            needed.add(key)
            left += _inputs(store, key)
    return needed


def _manifests(folder: Path) -> Iterator[Path]:
    """Both, where a finished run has begun anew; where there is neither, the one that is missing."""
    there = [folder / name for name in (MANIFEST, UNFINISHED) if (folder / name).is_file()]
    yield from there or [folder / MANIFEST]


def _inputs(store: Store, key: str) -> list[str]:
    try:
        return list(store.record(key)["inputs"].values())
    except StoreError:
        return []
