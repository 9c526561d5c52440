"""Where Optuna keeps a study: a journal in the sweep's folder, or a database. See docs/adr/0011."""

from __future__ import annotations

import fcntl
import os
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, RDBStorage, RetryHeartbeatStaleTrialCallback
from optuna.storages.journal import JournalFileBackend, JournalStorage
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError

from bench.errors import StoreError

JOURNAL = "study.journal"

BEAT_SECONDS = 30
"""Between two signs of life of a worker that shares a database with others, and nothing else."""

GRACE_SECONDS = 120
"""Of silence, after which its trial is another worker's."""

TURNS = 5
"""That a worker leaves to others which make the tables of a new database, of a second each."""

SQLITE_SECONDS = 60
"""That a worker waits for another that writes."""


def open_storage(url: str | None, folder: Path) -> BaseStorage:
    """The database at `url`, or the journal in `folder`. Raises StoreError where it cannot be reached or read."""
    try:
        if url is None:
            journal = str(folder / JOURNAL)
            return JournalStorage(JournalFileBackend(journal, lock_obj=JournalLock(journal)))  # type: ignore[arg-type]
        return _database(url)
    except Exception as error:  # of a driver, a server, a file: each has its own kinds
        raise _complaint(url, folder, error) from None


def _database(url: str) -> RDBStorage:
    """Of workers that find an empty database at once, all but one are told that its tables exist, and look again."""
    for _ in range(TURNS):
        try:
            return _connect(url)
        except DBAPIError as error:
            if not any(hint in str(error.orig) for hint in ("already exists", "duplicate", "Duplicate", "alembic_version")):
                raise
            time.sleep(1)
    return _connect(url)


def _connect(url: str) -> RDBStorage:
    connect = {"timeout": SQLITE_SECONDS} if url.startswith("sqlite") else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return RDBStorage(
            url,
            engine_kwargs={"pool_pre_ping": True, "connect_args": connect},
            heartbeat_interval=BEAT_SECONDS,
            grace_period=GRACE_SECONDS,
            heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(),
        )


@contextmanager
def reachable(url: str | None, folder: Path) -> Iterator[None]:
    """What fails inside for the storage's sake is a StoreError."""
    try:
        yield
    except (StorageInternalError, SQLAlchemyError) as error:
        raise _complaint(url, folder, error) from None


def _complaint(url: str | None, folder: Path, error: Exception) -> StoreError:
    if url is None:
        advice = "delete it to begin a new study: what its trials made is in the store and costs nothing"
        return StoreError(f"{folder / JOURNAL}: cannot be read as a study ({type(error).__name__}: {error}); {advice}")
    cause = error.__cause__ if isinstance(error, (StorageInternalError, ImportError)) and error.__cause__ else error
    problem = str(getattr(cause, "orig", None) or cause).strip().splitlines()[0]
    return StoreError(f"--storage {shown(url)}: {problem}; {_advice(cause)}")


def _advice(error: BaseException) -> str:
    if isinstance(error, ImportError):
        return "install that driver, or name another: postgresql+psycopg://..., mysql+pymysql://..."
    if isinstance(error, ArgumentError):
        return "a database's URL is wanted: sqlite:///study.db, postgresql://user@host/name, mysql://user@host/name"
    return "the same command goes on once it can be reached"


def shown(url: str) -> str:
    """`url` without its password."""
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return url


class JournalLock:
    """The right to append to a journal: a lock of the system's, which dies with its owner, where Optuna's own outlives a
    killed process for half a minute. What a writer left unfinished (killed, a full disk) is cut off."""

    def __init__(self, journal: str) -> None:
        self._journal = journal
        self._handle: int | None = None

    def acquire(self) -> bool:
        handle = os.open(f"{self._journal}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        fcntl.flock(handle, fcntl.LOCK_EX)
        self._handle = handle
        cut_torn_line(Path(self._journal))
        return True

    def release(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None


def cut_torn_line(journal: Path) -> None:
    """Drop what follows the last line break: half a record, on which Optuna would fail for ever."""
    with journal.open("rb+") as file:
        end = file.seek(0, os.SEEK_END)
        if end == 0:
            return
        file.seek(end - 1)
        if file.read(1) == b"\n":
            return
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)
