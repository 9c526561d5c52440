"""The store of results: content-addressed folders that exist whole or not at all. Light: no torch.

<root>/.store/<key>/            what a finished job made, with `job.json` (identity, digests, duration, environment)
<root>/.store/.work/<key>/      where a job works; kept when it is interrupted, so that it resumes there
<root>/.store/.cache/           what is quicker to keep than to make again, and safe to delete
<root>/.store/.lock/<key>       locked by the process that works on the key; the lock dies with its owner
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import StoreError
from bench.job import Job

RECORD = "job.json"


@dataclass(frozen=True)
class Store:
    """Results under `root`; every process that is given the same folder shares them."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / ".store"

    def open(self) -> Store:
        """Create the folders. Raises StoreError where nothing can be written, before hours are spent."""
        try:
            for name in (".work", ".lock"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
            probe = self.folder / ".work" / f".probe-{os.getpid()}"
            probe.write_bytes(b"x")
            probe.unlink()
        except OSError as error:
            raise StoreError(
                f"{self.root}: results cannot be written here: {reason(error)}; choose another folder with --results"
            ) from None
        return self

    @property
    def cache(self) -> Path:
        """What can be made again at any time: digests of image files, rendered portraits."""
        return self.folder / ".cache"

    def path(self, key: str) -> Path:
        return self.folder / key

    def has(self, key: str) -> bool:
        return (self.folder / key / RECORD).is_file()

    def record(self, key: str) -> dict[str, Any]:
        """What is known about a finished job. Raises StoreError where the record is damaged."""
        try:
            record: dict[str, Any] = json.loads((self.folder / key / RECORD).read_text())
        except (OSError, ValueError) as error:
            raise StoreError(
                f"{self.folder / key}: damaged record ({error}); delete this folder and run again"
            ) from None
        return record

    def records(self) -> Iterator[dict[str, Any]]:
        """The records of all finished jobs, damaged ones left out."""
        for path in sorted(self.folder.glob(f"*/{RECORD}")):
            try:
                yield json.loads(path.read_text())
            except (OSError, ValueError):
                continue

    @contextmanager
    def working(self, key: str) -> Iterator[Path]:
        """The job's working folder, locked against other processes; waits for one that holds it."""
        lock = os.open(self.folder / ".lock" / key, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            folder = self.folder / ".work" / key
            folder.mkdir(parents=True, exist_ok=True)
            yield folder
        finally:
            os.close(lock)

    def commit(self, job: Job, folder: Path, facts: Mapping[str, Any]) -> None:
        """Make the working folder the job's result: digests and record first, then one rename."""
        files = {str(path.relative_to(folder)): digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        record = {
            "key": job.key, "kind": job.kind, "label": job.label, "identity": job.identity, "inputs": dict(job.inputs),
            "units": job.units, "files": files, **facts,
        }  # fmt: skip
        write_atomically(folder / RECORD, json.dumps(record, indent=1, sort_keys=True).encode())
        sync(folder)
        os.replace(folder, self.path(job.key))
        sync(self.folder)

    def damaged(self, key: str) -> list[str]:
        """Files of a finished job that are gone or differ from their recorded digest."""
        files = self.record(key)["files"]
        here = self.path(key)
        return [name for name, known in files.items() if not (here / name).is_file() or digest(here / name) != known]

    def discard(self, key: str) -> None:
        """Forget a result; the next run does the job again."""
        shutil.rmtree(self.path(key), ignore_errors=True)


def digest(path: Path) -> str:
    """sha256 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest_310(file)


def _digest_310(file: Any) -> str:
    """`hashlib.file_digest` for Python 3.10."""
    state = hashlib.sha256()
    while block := file.read(1 << 20):
        state.update(block)
    return state.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """The whole content under `path`, or what was there before: written beside it, flushed to disk, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def sync(folder: Path) -> None:
    """Flush a folder's entries to disk, so that a rename survives a power cut."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def reason(error: OSError) -> str:
    """What the system said, in words a user acts on."""
    if error.errno == errno.ENOSPC:
        return "the disk is full"
    return (error.strerror or str(error)).lower()
