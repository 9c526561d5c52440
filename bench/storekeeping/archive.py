"""A run and all results that it refers to as one tar file: the same run gives the same bytes.

bench-run.json            format, suite, run, keys of the jobs, sha256 of the run's files; the first member
run/<file>                what lies in results/<suite>/<run>/
store/<key>/<file>        a job's result, with the digests of its files in `job.json`

Results that travel alone, between the nodes of a cluster, have the same form: suite and run are empty, and nothing is in run/.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.digest import digest
from bench.errors import StoreError
from bench.store import RECORD, Store
from bench.storekeeping.runs import MANIFEST, UNFINISHED, read_manifest

FORMAT = 1
INDEX = "bench-run.json"


@dataclass(frozen=True)
class Index:
    """What an archive says of itself. Of results alone, `suite` and `run` are empty."""

    suite: str
    run: str
    jobs: tuple[str, ...]
    files: Mapping[str, str]

    def encode(self) -> bytes:
        content = {"format": FORMAT, "suite": self.suite, "run": self.run, "jobs": self.jobs, "files": self.files}
        return json.dumps(content, indent=1, sort_keys=True).encode()


def export_run(run: Path, file: Path, tell: Callable[[str], None]) -> Index:
    """Write the archive, whole or not at all; `tell` is called with each key that is written.

    Raises StoreError where the folder is no finished run, or a result that it refers to is gone or damaged.
    """
    folder = run.absolute()
    store, index = Store(folder.parents[1]), _index(folder)
    beside = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with beside.open("wb") as stream:
            _write(stream, index, folder, store, tell)
        os.replace(beside, file)
    finally:
        beside.unlink(missing_ok=True)
    return index


def pack_results(store: Store, keys: Sequence[str]) -> memoryview:
    """The results alone as an archive in memory. Raises StoreError where one is gone or damaged."""
    stream = io.BytesIO()
    _write(stream, Index("", "", tuple(keys), {}), store.root, store, lambda _: None)
    return stream.getbuffer()


def _write(stream: IO[bytes], index: Index, folder: Path, store: Store, tell: Callable[[str], None]) -> None:
    """`folder` is the run's."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        _add(tar, INDEX, io.BytesIO(index.encode()), len(index.encode()))
        for name in index.files:
            _add_file(tar, f"run/{name}", folder / name)
        for key in index.jobs:
            tell(key)
            for name in sorted([RECORD, *_intact(store, key)]):
                _add_file(tar, f"store/{key}/{name}", store.path(key) / name)


def _index(folder: Path) -> Index:
    manifest = read_manifest(folder / MANIFEST)
    jobs = sorted(set(manifest["jobs"]) - set(manifest.get("failed", ())))
    files = {path.relative_to(folder).as_posix(): digest(path) for path in _files(folder)}
    return Index(folder.parent.name, folder.name, tuple(jobs), files)


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.is_file() and not path.is_symlink() and not hidden and path != folder / UNFINISHED:
            yield path


def _intact(store: Store, key: str) -> list[str]:
    if damaged := store.damaged(key):
        raise StoreError(
            f"{store.path(key)}: gone or damaged ({', '.join(damaged[:3])}); "
            f"`bench store check --repair {key}`, run the suite again, then export it"
        )
    return list(store.record(key)["files"])


def _add_file(tar: tarfile.TarFile, name: str, path: Path) -> None:
    with path.open("rb") as stream:
        _add(tar, name, stream, os.fstat(stream.fileno()).st_size)


def _add(tar: tarfile.TarFile, name: str, stream: IO[bytes], size: int) -> None:
    """Nothing of this machine: a `TarInfo` of one's own has no owner and the time 0."""
    member = tarfile.TarInfo(name)
    member.size = size
    tar.addfile(member, stream)
