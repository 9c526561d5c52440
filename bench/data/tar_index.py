"""Where the members of a tar file lie, so that each can be read alone."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from bench.data.fingerprint import file_key
from bench.errors import DataError
from bench.store import write_atomically

_COMPRESSED = {b"\x1f\x8b": "gzip -d", b"BZh": "bzip2 -d", b"\xfd7zXZ": "xz -d", b"\x28\xb5\x2f\xfd": "zstd -d"}
"""What undoes a compression, by how its files begin."""


class Member(NamedTuple):
    """A file inside a tar file."""

    name: str
    offset: int
    """Of its first byte in the tar file."""
    size: int


def read_index(shard: Path, cache: Path | None = None) -> list[Member]:
    """All files in `shard` in its order; their headers are read once as long as it is unchanged, kept in the folder `cache`.

    Names are as in the tar file, without `./`. Raises DataError, which names the shard, where it is no whole plain tar file or
    holds anything but files: links, and names that lead out of a folder, have no place among images, nor have two of one name.
    """
    with _named_errors(shard):
        kept = cache / "shards" / f"{hashlib.sha256(file_key(shard).encode()).hexdigest()}.json" if cache else None
        if kept is not None and (known := _load(kept)) is not None:
            return known
        members = _scan(shard)
    if kept is not None:
        write_atomically(kept, json.dumps(members).encode())
    return members


def _load(kept: Path) -> list[Member] | None:
    """None where there is nothing, or nothing that this module wrote."""
    try:
        return [Member(str(name), int(offset), int(size)) for name, offset, size in json.loads(kept.read_bytes())]
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _scan(shard: Path) -> list[Member]:
    found: dict[str, Member] = {}
    with tarfile.open(shard, "r:") as tar:
        for entry in tar:
            if entry.isdir():
                continue
            member = _plain_file(entry, shard)
            if member.name in found:
                raise DataError(f"{shard}: holds {member.name!r} twice; write the shard anew with one of them")
            found[member.name] = member
        end = tar.offset
    _require_end(shard, end)
    return list(found.values())


def _plain_file(entry: tarfile.TarInfo, shard: Path) -> Member:
    """Raises DataError on all else."""
    path = PurePosixPath(entry.name)
    if path.is_absolute() or ".." in path.parts:
        raise DataError(f"{shard}: {entry.name!r} leads out of the shard; write it anew with names below one folder")
    if entry.issym() or entry.islnk():
        remedy = "write it anew with `tar --dereference --hard-dereference`"
        raise DataError(f"{shard}: {entry.name!r} is a link to {entry.linkname!r}, no file; {remedy}")
    if entry.issparse():
        raise DataError(f"{shard}: {entry.name!r} is stored with holes; write the shard anew without `tar --sparse`")
    if not entry.isreg():
        raise DataError(f"{shard}: {entry.name!r} is a device or a pipe, no file; write the shard anew without it")
    if entry.size < 0:  # old versions of Python would then read the same header for ever
        raise DataError(f"{shard}: {entry.name!r} has a size of {entry.size}; the shard is damaged, fetch it again")
    return Member(str(path), entry.offset_data, entry.size)


def _require_end(shard: Path, end: int) -> None:
    """`tarfile` takes whatever it cannot read behind the first header for the end; a whole file ends in zeros."""
    with shard.open("rb") as file:
        file.seek(end)
        block = file.read(tarfile.BLOCKSIZE)
    if len(block) < tarfile.BLOCKSIZE:
        raise DataError(f"{shard}: is cut off; fetch it again, or write it anew")
    if any(block):
        raise DataError(f"{shard}: is damaged at byte {end}; fetch it again, or write it anew")


@contextmanager
def _named_errors(shard: Path) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{shard}: no such shard; check the path") from None
    except (
        Exception
    ) as error:  # tarfile lets through what its parsers meet: ValueError, IndexError, RecursionError, ...
        raise DataError(f"{shard}: {_trouble(shard, error)}") from error


def _trouble(shard: Path, error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot be read ({error}); check the path"
    with shard.open("rb") as file:
        start = file.read(max(map(len, _COMPRESSED)))
    for magic, command in _COMPRESSED.items():
        if start.startswith(magic):
            return f"is compressed, so that single images cannot be read; decompress it once: {command}"
    return f"cannot be read as a tar file ({error}); fetch it again, or write it anew"
