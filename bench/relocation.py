"""A suite's document as it must read in another folder than its own."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bench.document import Document, find_file

ROWS = ("components", "methods", "ablation")
"""The sections in which rows name files."""


def relocated(document: Document, old: Path, new: Path) -> Document:
    """What a document of the folder `old` says, said in `new`: relative paths of published values and of rows' files, also
    in profiles. `data.root` stays: a suite says where its own images are."""
    result = dict(document)
    if isinstance(result.get("reference"), str):
        result["reference"] = moved_path(result["reference"], old, new)
    for section in ROWS:
        if section in result:
            result[section] = _files(result[section], old, new)
    if isinstance(profiles := result.get("profiles"), Mapping):
        result["profiles"] = {
            name: relocated(dict(profile), old, new) if isinstance(profile, Mapping) else profile
            for name, profile in profiles.items()
        }
    return result


def moved_path(path: str, old: Path, new: Path) -> str:
    """A path relative to `old` as one relative to `new`; absolute ones stay. Raises no error for a home that nobody has."""
    if path.startswith(("~", "/")):
        return path
    return os.path.relpath(old / path, new)


def _files(value: Any, old: Path, new: Path) -> Any:
    """Whatever names a file beside the suite: no row, stage or option is called like one."""
    if isinstance(value, Mapping):
        return {key: _files(inner, old, new) for key, inner in value.items()}
    if isinstance(value, list):
        return [_files(inner, old, new) for inner in value]
    if isinstance(value, str) and Path(value).suffix and find_file(old, value) is not None:
        return moved_path(value, old, new)
    return value
