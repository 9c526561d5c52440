"""The results folder as nodes of a cluster find it: this very folder, or a scratch folder in its place. Light: no torch."""

from __future__ import annotations

import getpass
import hashlib
import os
import platform
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from bench.errors import StoreError
from bench.store import Store, write_atomically


@dataclass(frozen=True)
class Folder:
    """`root` is the results folder of who began the run, who left a file called `mark` in its store.

    Nodes that do not see it work in a folder called `scratch` among their temporary ones. Its name is the same for the same
    results folder, so that a training that was interrupted goes on if it comes to the same node again.
    """

    root: Path
    mark: str
    scratch: str

    def is_here(self) -> bool:
        """Whether this node sees the results folder, by its absolute path, and may write there. A copy is not it."""
        store = Store(self.root)
        return (store.folder / self.mark).is_file() and os.access(store.folder / ".work", os.W_OK)

    def open_store(self) -> Store:
        """The results folder's store if it is here, else the scratch folder's. Raises StoreError if that cannot be ours."""
        if self.is_here():
            return Store(self.root)
        with suppress(OSError):  # which opening the store explains
            self._place().mkdir(mode=0o700, exist_ok=True)
            if self._place().stat().st_uid != os.getuid():
                raise StoreError(f"{self._place()}: belongs to somebody else; start the node with another TMPDIR")
        return Store(self._place()).open()

    def clear_scratch(self) -> None:
        """Remove what this node made in place of the results folder."""
        if not self.is_here():
            shutil.rmtree(self._place(), ignore_errors=True)

    def _place(self) -> Path:
        return Path(tempfile.gettempdir()) / self.scratch


def our_version() -> str:
    """Of the installed ugpnet-bench; nodes that differ would make other results under the same keys."""
    try:
        return version("ugpnet-bench")
    except PackageNotFoundError:
        return "not installed"


@contextmanager
def marked(store: Store) -> Iterator[Folder]:
    """The opened store's results folder, recognisable inside the block."""
    root = store.root.absolute()
    mark = f".seen-{uuid.uuid4().hex}"
    owner = f"{getpass.getuser()}@{platform.node()}:{root}"
    folder = Folder(root, mark, f"ugpnet-bench-{hashlib.sha256(owner.encode()).hexdigest()[:16]}")
    write_atomically(store.folder / mark, b"")
    try:
        yield folder
    finally:
        (store.folder / mark).unlink(missing_ok=True)
