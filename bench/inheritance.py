"""Suites that extend suites."""

from __future__ import annotations

from pathlib import Path

from bench.document import Document, find_file, overlay, read_document
from bench.errors import SuiteError
from bench.relocation import relocated


def read_extended(path: Path, above: tuple[Path, ...] = ()) -> Document:
    """The mapping in a YAML file, laid over the one that it `extends`, if any: a path relative to its own folder, as are all
    paths of files that either names.

    Raises SuiteError as `read_document` does, and for a file that extends itself through others.
    """
    here = path.resolve()
    if here in above:
        raise SuiteError(f"{path}: extends: goes in a circle: {' -> '.join(file.name for file in (*above, here))}")
    document = read_document(path)
    base = document.pop("extends", None)
    if base is None:
        return document
    if not isinstance(base, str):
        raise SuiteError(f"{path}: extends: the path of another suite is wanted, found {base!r}")
    found = find_file(path.parent, base)
    if found is None:
        raise SuiteError(f"{path}: extends: no file {base!r} (looked in {path.parent})")
    return overlay(relocated(read_extended(found, (*above, here)), found.parent, path.parent), document)
