"""What identifies a data set: sha256 over all that decides its pixels, and over nothing else."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any, TypeAlias

from bench.digest import stamp

READING = 1
"""Raise it when reading, cropping or reducing gives other pixels for the same file."""

Setting: TypeAlias = str | int | None


def fingerprint(kind: str, settings: Mapping[str, Setting], images: Sequence[tuple[str, str]] = ()) -> str:
    """Hex digest of a source's kind, its settings and its images: (id, digest of the file or files) each."""
    document = {"kind": kind, "reading": READING, "settings": dict(settings), "images": list(images)}
    return hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()


def digest_files(paths: Sequence[Path], cache: Path | None = None) -> list[str]:
    """sha256 of each file's bytes, remembered as by `digest_all` as long as the file is unchanged."""
    return digest_all([file_key(path) for path in paths], lambda index: paths[index].read_bytes(), cache)


def digest_all(keys: Sequence[str], content: Callable[[int], Any], cache: Path | None = None) -> list[str]:
    """sha256 of `content(i)`, bytes or a buffer, for each of `keys`, where equal keys promise equal content.

    `cache` is a JSON file of digests by key that is read, completed and replaced atomically, so that what is unchanged is
    hashed once; a damaged or missing cache counts as empty.
    """
    known = _load(cache)
    missing = {key: index for index, key in enumerate(keys) if key not in known}
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        made = pool.map(lambda index: hashlib.sha256(content(index)).hexdigest(), missing.values())
        fresh = dict(zip(missing, made, strict=True))
    if cache is not None and fresh:
        # Read again: another run may have added to it meanwhile.
        _save(cache, {**_load(cache), **fresh})
    known.update(fresh)
    return [known[key] for key in keys]


def file_key(path: Path) -> str:
    """What a file is known by as long as it is unchanged: absolute path and `stamp`."""
    return "|".join(map(str, (path.absolute(), *stamp(path))))


def _load(cache: Path | None) -> dict[str, str]:
    if cache is None:
        return {}
    try:
        entries = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(key): str(value) for key, value in entries.items()} if isinstance(entries, dict) else {}


def _save(cache: Path, entries: Mapping[str, str]) -> None:
    cache.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=cache.parent, suffix=".tmp", delete=False, encoding="utf-8") as file:
        json.dump(entries, file)
    os.replace(file.name, cache)
