"""The store of results: content-addressed folders that exist whole or not at all. Light: no torch.

<root>/.store/<key>/            what a finished job made, with `job.json` (identity, digests, duration, environment)
<root>/.store/.work/<key>/      where a job works; kept when it is interrupted, so that it resumes there
<root>/.store/.cache/           what is quicker to keep than to make again, and safe to delete
<root>/.store/.lock/<key>       locked by the process that works on the key; the lock dies with its owner
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.filesize import decimal

from bench.digest import digest, known_digest
from bench.errors import StoreError
from bench.job import Job, content_key

RECORD = "job.json"
KEY = re.compile(r"[0-9a-f]{20}")

SYNCED_AT_ONCE = 16
"""Files; the disk writes its journal once for those that wait together."""

DISCARDED = ".discarded-"
"""Begins the names, in `.work`, of what is being deleted: a result disappears whole, however long its files take."""

UNWRITTEN = ".tmp"
"""Ends the names of files that are being written, which begin with a dot."""


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
                f"{self.root}: results cannot be written here: {reason(error, self.root)}; choose another folder with --results"
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

    @contextmanager
    def locked_runs(self) -> Iterator[None]:
        """Nobody begins a run or removes results meanwhile, so that what a run is about to use is not thought unused."""
        with self.locked(".runs"):
            yield

    def all_keys(self) -> list[str]:
        """The keys of all results, also of such as lack their record."""
        return sorted(path.name for path in self.folder.glob("*") if KEY.fullmatch(path.name) and path.is_dir())

    def record(self, key: str) -> dict[str, Any]:
        """What is known about a finished job. Raises StoreError where the record is damaged."""
        try:
            return read_record((self.folder / key / RECORD).read_bytes(), key)
        except (OSError, ValueError, RecursionError) as error:
            remedy = "`bench store check --repair` discards it, then run the suite again"
            raise StoreError(f"{self.folder / key}: damaged record ({error}); {remedy}") from None

    def records(self) -> Iterator[dict[str, Any]]:
        """The records of all finished jobs, damaged ones left out."""
        for path in sorted(self.folder.glob(f"*/{RECORD}")):
            try:
                yield self.record(path.parent.name)
            except StoreError:
                continue

    @contextmanager
    def working(self, key: str) -> Iterator[Path]:
        """The job's working folder, locked against other processes; waits for one that holds it."""
        with self.locked(key):
            folder = self.work(key)
            folder.mkdir(parents=True, exist_ok=True)
            yield folder

    def work(self, key: str) -> Path:
        """Where the job is worked on; `working` makes the folder."""
        return self.folder / ".work" / key

    @contextmanager
    def locked(self, name: str, wait: bool = True) -> Iterator[bool]:
        """Whether `name` belongs to this process inside the block: True, or, without `wait`, False while another has it."""
        lock = os.open(self.folder / ".lock" / name, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            yield _lock(lock, wait)
        finally:
            os.close(lock)

    def commit(self, job: Job, folder: Path, facts: Mapping[str, Any]) -> None:
        """Make the working folder the job's result: digests and record first, then one rename."""
        for left in (*folder.rglob(f".*{UNWRITTEN}"), folder / RECORD):  # by a write or a commit that was killed
            left.unlink(missing_ok=True)
        files = {str(path.relative_to(folder)): digest(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        record = {
            "key": job.key, "kind": job.kind, "label": job.label, "identity": job.identity, "inputs": dict(job.inputs),
            "units": job.units, "files": files, **facts,
        }  # fmt: skip
        write_atomically(folder / RECORD, json.dumps(record, indent=1, sort_keys=True).encode())
        self.place(folder, job.key)

    def place(self, folder: Path, key: str) -> None:
        """Make a complete folder the result `key`: content to disk, then one rename. What lay there, without a record, goes."""
        with ThreadPoolExecutor(SYNCED_AT_ONCE) as pool:
            list(pool.map(sync, [folder, *folder.rglob("*")]))
        self.discard(key)
        os.replace(folder, self.path(key))
        sync(self.folder)

    def damaged(self, key: str, names: Collection[str] | None = None) -> list[str]:
        """Files of a finished job (those among `names`, if given) that are gone or differ from their recorded digest.

        `job.json` alone where the record is damaged. A digest is computed once per process as long as a file
        keeps its stamp (`bench.digest`).
        """
        try:
            files: dict[str, str] = self.record(key)["files"]
        except StoreError:
            return [RECORD]
        asked = files if names is None else names
        return [name for name in asked if not is_intact(self.path(key) / name, files.get(name))]

    def discard(self, key: str) -> None:
        """Forget a result; the next run does the job again."""
        if not self.path(key).exists():
            return
        gone = tempfile.mkdtemp(prefix=f"{DISCARDED}{key}-", dir=self.folder / ".work")
        with suppress(FileNotFoundError):
            os.replace(self.path(key), gone)
        shutil.rmtree(gone, ignore_errors=True)

    def discard_damaged(self, key: str, names: Collection[str] | None = None) -> list[str]:
        """The damaged files of a result, as `damaged` finds them; if there are any, the result is discarded."""
        if not self.has(key) or not self.damaged(key, names):
            return []
        with self.locked(key):  # another process may have done the job again while we waited
            found = self.damaged(key, names) if self.has(key) else []
            if found:
                self.discard(key)
        return found


def read_record(content: bytes, key: str) -> dict[str, Any]:
    """The record of the job `key`. Raises ValueError where it is damaged or that of another job."""
    record = json.loads(content)
    try:
        made, files = content_key(record["kind"], record["identity"], record["inputs"]), record["files"]
        sound: dict[str, type | tuple[type, ...]] = {"label": str, "units": int, "seconds": (int, float)}
        if not isinstance(files, dict) or any(not isinstance(record[name], kind) for name, kind in sound.items()):
            raise ValueError("fields of the wrong kind")
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no record of a job: {type(error).__name__} {error}") from None
    if made != key:
        raise ValueError(f"its content is that of {made}")
    return dict(record)


def is_intact(path: Path, known: str | None) -> bool:
    """Whether the file is there and has this sha256; None is nobody's."""
    try:
        return known_digest(path) == known
    except (OSError, ValueError):  # a damaged name may hold what no path can
        return False


def _lock(handle: int, wait: bool) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def write_atomically(path: Path, content: bytes) -> None:
    """The whole content under `path`, or what was there before: written beside it, flushed to disk, renamed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}{UNWRITTEN}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to disk, so that a rename that follows survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def reason(error: OSError, folder: Path | None = None) -> str:
    """What the system said, in words a user acts on; of a full disk, how much is left where the file is, or in `folder`."""
    if not disk_is_full(error):
        return (error.strerror or str(error)).lower()
    where = Path(error.filename).parent if isinstance(error.filename, (str, Path)) else folder
    return "the disk is full" if where is None or not where.is_dir() else f"the disk is full: {free_space(where)}"


def disk_is_full(error: OSError) -> bool:
    """Whether there was no room for what was written, on the disk or within the user's quota."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def free_space(folder: Path | str) -> str:
    """`<free> of <size> free in <folder>`."""
    usage = shutil.disk_usage(folder)
    return f"{decimal(usage.free)} of {decimal(usage.total)} free in {folder}"
