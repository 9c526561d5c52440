"""An archive from elsewhere into a results folder: nothing is trusted, and nothing appears before its digests were verified."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.errors import StoreError
from bench.store import KEY, RECORD, Store, read_record, reason
from bench.storekeeping.archive import FORMAT, INDEX, Index
from bench.storekeeping.runs import MANIFEST

MAX_JSON = 64 * 2**20
"""Bytes of a member that is read into memory: an index or a record. Others are streamed."""

BLOCK = 1 << 20

Members = Mapping[str, tarfile.TarInfo]


@dataclass(frozen=True)
class Imported:
    """The run's folder, the keys that were added and those that were there already."""

    folder: Path
    added: tuple[str, ...]
    kept: tuple[str, ...]


def import_archive(file: Path, store: Store, tell: Callable[[str], None]) -> Imported:
    """Add a run and its results to an opened store; `tell` is called with each key.

    What is there already is kept. Each result is unpacked beside the others, verified and moved in with one rename, the run's
    folder last. Raises StoreError naming the file and what is wrong in it; what was moved in before is whole and stays.
    """
    with _refusing(str(file)), file.open("rb") as stream, tarfile.open(fileobj=stream, mode="r:") as tar:
        return _Import(str(file), file.stat().st_size, tar, store).run(tell)


def import_results(archive: memoryview, name: str, keys: Collection[str], store: Store) -> None:
    """Add the results `keys` from an archive of `pack_results`, each whole or not at all; what is there already is kept.

    Raises StoreError, which begins with the `name` of the archive, where it holds anything else, or is damaged.
    """
    with _refusing(name), tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as tar:
        _Import(name, archive.nbytes, tar, store).add_results(keys)


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """What fails inside is a StoreError that names the archive, or the file that could not be read or written."""
    try:
        yield
    except (tarfile.TarError, EOFError, ValueError, OverflowError, RecursionError) as error:
        raise StoreError(f"{name}: not an archive of `bench store export`, or damaged ({error})") from None
    except OSError as error:
        raise StoreError(f"{error.filename or name}: {reason(error)}") from None


class _Import:
    """One archive, called `name`, of `size` bytes."""

    def __init__(self, name: str, size: int, tar: tarfile.TarFile, store: Store) -> None:
        self.name = name
        self.size = size
        self.tar = tar
        self.store = store

    def run(self, tell: Callable[[str], None]) -> Imported:
        index, jobs, files = self._read_index()
        if not index.run:
            raise self._refused(INDEX, "names no run")
        kept = tuple(key for key in index.jobs if self.store.has(key))
        folder = self.store.root / index.suite / index.run
        with self.store.locked_runs():  # nobody takes the results for garbage before their run is there
            for key in index.jobs:
                tell(key)
                self._import_job(key, jobs[key])
            if not folder.exists():
                self._import_run(folder, files, index)
        return Imported(folder, tuple(key for key in index.jobs if key not in kept), kept)

    def add_results(self, keys: Collection[str]) -> None:
        index, jobs, _ = self._read_index()
        if set(index.jobs) != set(keys):
            raise self._refused(INDEX, f"names other results than {', '.join(keys)}")
        for key in index.jobs:
            self._import_job(key, jobs[key])

    def _read_index(self) -> tuple[Index, Mapping[str, Members], Members]:
        """What the archive says of itself, then the members of each job and of the run."""
        members = self._members()
        self._check_room(members)
        index = self._index(members)
        return index, *self._sorted(members, index)

    def _members(self) -> Members:
        """All members by name: plain files with plain names, each once, none larger than the archive that it lies in."""
        members: dict[str, tarfile.TarInfo] = {}
        for member in self.tar:
            name = member.name
            if not member.isreg() or member.issparse():
                raise self._refused(name, "is no plain file (links, devices and folders are not unpacked)")
            if not is_plain(name):
                raise self._refused(name, "would be written outside of its folder, or has a name that no run has")
            if name in members:
                raise self._refused(name, "is there twice")
            if member.size < 0 or member.offset_data + member.size > self.size:
                raise self._refused(name, f"claims {member.size} bytes, more than there are")
            members[name] = member
        return members

    def _check_room(self, members: Members) -> None:
        needed, free = sum(member.size for member in members.values()), shutil.disk_usage(self.store.root).free
        if needed > free:
            raise StoreError(f"{self.name}: holds {needed} bytes, and {self.store.root} has room for {free}")

    def _index(self, members: Members) -> Index:
        if INDEX not in members:
            raise self._refused(INDEX, "is missing; this is no archive of `bench store export`")
        content = json.loads(self._read(members[INDEX]))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise self._refused(INDEX, f"is of another format than {FORMAT}; import it with the version that wrote it")
        try:
            index = Index(content["suite"], content["run"], tuple(content["jobs"]), dict(content["files"]))
            named = all("/" not in name and is_plain(name) for name in (index.suite, index.run))
            alone = (index.suite, index.run, index.files) == ("", "", {})
            sound = (named or alone) and all(map(KEY.fullmatch, index.jobs))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise self._refused(INDEX, f"is damaged ({type(error).__name__} {error})") from None
        if not sound:
            raise self._refused(INDEX, "names a suite, a run or a job as none is named")
        return index

    def _sorted(self, members: Members, index: Index) -> tuple[Mapping[str, Members], Members]:
        """The members of each job and of the run, which are all that there are."""
        jobs: dict[str, dict[str, tarfile.TarInfo]] = defaultdict(dict)
        files, keys = {}, frozenset(index.jobs)
        for name, member in members.items():
            top, _, inner = name.partition("/")
            key, _, rest = inner.partition("/")
            if top == "store" and key in keys and rest:
                jobs[key][rest] = member
            elif top == "run" and inner in index.files:
                files[inner] = member
            elif name != INDEX:
                raise self._refused(name, "belongs to nothing that the archive says it holds")
        lacking = [f"store/{key}/{RECORD}" for key in index.jobs if RECORD not in jobs[key]]
        expected = (*index.files, MANIFEST) if index.run else ()
        lacking += [f"run/{name}" for name in expected if name not in files]
        if lacking:
            raise self._refused(lacking[0], "is missing")
        return jobs, files

    def _import_job(self, key: str, members: Members) -> None:
        with self.store.locked(key):
            if self.store.has(key):
                return
            content = self._read(members[RECORD])
            try:
                files: dict[str, str] = read_record(content, key)["files"]
            except (ValueError, RecursionError) as error:
                raise self._refused(f"store/{key}/{RECORD}", f"is damaged ({error})") from None
            inside = {name: member for name, member in members.items() if name != RECORD}
            with self._staged(key, inside, files) as folder:
                (folder / RECORD).write_bytes(content)
                self.store.place(folder, key)

    def _import_run(self, folder: Path, members: Members, index: Index) -> None:
        with self._staged(index.run, members, index.files) as staged:
            folder.parent.mkdir(parents=True, exist_ok=True)
            staged.replace(folder)

    @contextmanager
    def _staged(self, name: str, members: Members, digests: Mapping[str, Any]) -> Iterator[Path]:
        """A folder with these members, verified, to be moved away inside the block; gone after it."""
        folder = Path(tempfile.mkdtemp(prefix=f".import-{name}-", dir=self.store.folder / ".work"))
        folder.chmod(0o755)
        try:
            for inner, member in members.items():
                if self._unpack(member, folder / inner) != digests.get(inner):
                    raise self._refused(member.name, "does not have the digest that is recorded of it")
            if gone := digests.keys() - members.keys():
                raise self._refused(min(gone), "is recorded and not there")
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _unpack(self, member: tarfile.TarInfo, path: Path) -> str:
        """sha256 of what was written."""
        path.parent.mkdir(parents=True, exist_ok=True)
        source, state = self.tar.extractfile(member), hashlib.sha256()
        assert source is not None  # a plain file
        with source, path.open("xb") as file:
            while block := source.read(BLOCK):
                state.update(block)
                file.write(block)
        return state.hexdigest()

    def _read(self, member: tarfile.TarInfo) -> bytes:
        if member.size > MAX_JSON:
            raise self._refused(member.name, f"is larger than {MAX_JSON} bytes")
        source = self.tar.extractfile(member)
        assert source is not None  # a plain file
        return source.read()

    def _refused(self, name: str, why: str) -> StoreError:
        return StoreError(f"{self.name}: {name!r} {why}; nothing of it was kept")


def is_plain(name: str) -> bool:
    """Whether a member's name is a path downwards, without hidden parts, as `bench store export` writes them."""
    parts = name.split("/")
    return name.isprintable() and "\\" not in name and all(part and not part.startswith(".") for part in parts)
