"""Locks of workers that share a sweep's folder.

<sweep>/.workers/turn       locked while a worker looks for a trial
<sweep>/.workers/<number>   locked by the worker of that trial; the lock dies with its owner, as the store's do
<sweep>/.workers/id         names this folder in trials of databases, which workers elsewhere may share
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.store import write_atomically


@dataclass(frozen=True)
class Desk:
    """The locks of the workers that share a sweep's `folder`."""

    folder: Path

    @property
    def place(self) -> Path:
        return self.folder / ".workers"

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Alone among these workers."""
        self.place.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.place / "turn", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    def hold(self, number: int) -> int:
        """A lock on the trial, until the handle is given to `drop` or its process ends."""
        handle = os.open(self.place / str(number), os.O_RDWR | os.O_CREAT, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
        return handle

    def drop(self, number: int, handle: int) -> None:
        (self.place / str(number)).unlink(missing_ok=True)
        os.close(handle)

    def is_held(self, number: int) -> bool:
        """Whether a worker that lives has the trial."""
        try:
            handle = os.open(self.place / str(number), os.O_RDWR)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def name(self) -> str:
        """Of this folder, the same for all who share it. To be asked in one's turn."""
        file = self.place / "id"
        if not file.is_file():
            write_atomically(file, uuid.uuid4().hex.encode())
        return file.read_text()
