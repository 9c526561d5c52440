"""Which files `bench restore` is given, and where their restored images go."""

from __future__ import annotations

import glob
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from bench.data.images import SUFFIXES
from bench.data.listing import natural_key

SUFFIX = ".png"


@dataclass(frozen=True)
class Entry:
    """An image and the file that its restored version goes to."""

    source: Path
    target: Path

    def part(self, name: str) -> Path:
        """Where an image of another name goes that was made beside the restored one."""
        return self.target.with_name(f"{self.target.stem}.{name}{SUFFIX}")


@dataclass
class Inputs:
    """What was found: images once each, and what could not be followed, by its name."""

    entries: list[Entry] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)


def collect(inputs: Sequence[str], out: Path) -> Inputs:
    """The images of files, folders and patterns, in order; folders are searched to any depth, hidden ones and `out` left out.

    A folder's inner structure is kept below `out`. Restored images are PNG files of the same name; where two images would
    get one name, their suffixes stay: `a.jpg.png`. An image that would be written over itself or another one fails.
    """
    found: dict[Path, tuple[Path, Path]] = {}
    failed: dict[str, str] = {}
    for text in inputs:
        for source, relative in _expand(text, out.resolve(), failed):
            found.setdefault(source.resolve(), (source, relative))
    return _assign(found, out, failed)


def _assign(found: Mapping[Path, tuple[Path, Path]], out: Path, failed: dict[str, str]) -> Inputs:
    """Give every image its target. `found`: source and name below `out`, by the source's real path."""
    plain = Counter(relative.with_suffix(SUFFIX) for _, relative in found.values())
    taken: dict[Path, Path] = {}
    for source, relative in found.values():
        alone = plain[relative.with_suffix(SUFFIX)] == 1
        target = out / (relative.with_suffix(SUFFIX) if alone else relative.with_name(relative.name + SUFFIX))
        if target.resolve() in found:
            failed[str(source)] = f"would be written over {target}; choose another --out"
        elif target in taken:
            failed[str(source)] = f"would be written over {target}, which is made from {taken[target]}"
        else:
            taken[target] = source
    return Inputs([Entry(source, target) for target, source in taken.items()], failed)


def _expand(text: str, out: Path, failed: dict[str, str]) -> Iterator[tuple[Path, Path]]:
    """Files, each with its path relative to what the user named."""
    path = Path(text).expanduser()
    if path.resolve() == out and path.is_dir():
        failed[text] = "is the folder of the restored images too; choose another --out"
    elif path.is_dir():
        yield from _folder(path, out, failed)
    elif path.exists():
        yield path, Path(path.name)
    elif glob.has_magic(text):
        yield from _pattern(path, out, failed)
    else:
        failed[text] = "no such file or folder"


def _folder(folder: Path, out: Path, failed: dict[str, str]) -> Iterator[tuple[Path, Path]]:
    def unreadable(error: OSError) -> None:
        failed[str(error.filename)] = f"this folder cannot be read: {(error.strerror or str(error)).lower()}"

    failures, images = len(failed), 0
    for parent, folders, names in os.walk(folder, onerror=unreadable):
        inner = [name for name in folders if not name.startswith(".") and Path(parent, name).resolve() != out]
        folders[:] = sorted(inner, key=natural_key)
        for name in sorted(names, key=natural_key):
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in SUFFIXES:
                images += 1
                yield path, path.relative_to(folder)
    if not images and len(failed) == failures:
        failed[str(folder)] = f"holds no image; known suffixes are {', '.join(sorted(SUFFIXES))}"


def _pattern(pattern: Path, out: Path, failed: dict[str, str]) -> Iterator[tuple[Path, Path]]:
    literal = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), pattern.parts))
    inside = literal.resolve() in out.parents
    matches = map(Path, glob.glob(str(pattern), recursive=True))
    files = [path for path in matches if path.is_file() and not (inside and out in path.resolve().parents)]
    if not files:
        failed[str(pattern)] = "no file matches this pattern"
    for path in sorted(files, key=lambda path: natural_key(str(path))):
        yield path, path.relative_to(literal)
