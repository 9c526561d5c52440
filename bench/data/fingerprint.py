"""What identifies a data set: sha256 over all that decides its pixels, and over nothing else."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

from bench.data import remembered
from bench.digest import stamp

READING = 1
"""Raise it when reading, cropping or reducing gives other pixels for the same file."""

BATCHES_VERSION = 2
"""Raise it when a seed comes to mean other crops, flips or orders of images: part of every training's key."""

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

    What `cache` (see `bench.data.remembered`) has is not hashed again.
    """
    known = remembered.load(cache)
    missing = {key: index for index, key in enumerate(keys) if key not in known}
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        made = pool.map(lambda index: hashlib.sha256(content(index)).hexdigest(), missing.values())
        fresh = dict(zip(missing, made, strict=True))
    remembered.add(cache, fresh)
    known.update(fresh)
    return [known[key] for key in keys]


def file_key(path: Path) -> str:
    """What a file is known by as long as it is unchanged: absolute path and `stamp`."""
    return "|".join(map(str, (path.absolute(), *stamp(path))))
