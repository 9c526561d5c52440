"""Which files a folder holds, in natural order, and which images can be used."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path

from bench.data.config import OnError
from bench.errors import DataError

SHOWN = 8
"""How many names an error message lists before it only counts."""


def list_files(folder: Path, suffixes: Collection[str], what: str) -> dict[str, Path]:
    """Every file below `folder` with one of the suffixes by the path relative to it with forward slashes; natural order.

    Hidden files and folders are left out. Raises DataError, which calls the files `what`, if nothing remains.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; check the path")
    found: dict[str, Path] = {}
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if not name.startswith(".") and path.suffix.lower() in suffixes:
                found[path.relative_to(folder).as_posix()] = path
    if not found:
        raise DataError(f"{folder}: holds no {what}; known suffixes are {', '.join(sorted(suffixes))}")
    return {name: found[name] for name in sorted(found, key=natural_key)}


def natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """Sorts `2.png` before `10.png`; ties, such as `01` and `1`, by the plain text."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part], name


def stem(name: str) -> str:
    """The name without its suffix, folders included."""
    head, dot, suffix = name.rpartition(".")
    return head if dot and "/" not in suffix else name


def check_unique(names: Iterable[str], where: str) -> None:
    """Raises DataError, which lists them, on names that occur more than once."""
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"{where}: names occur more than once: {', '.join(abridge(twice))}")


def drop_unusable(names: Iterable[str], check: Callable[[str], None], on_error: OnError) -> tuple[list[str], list[str]]:
    """The names that are text and pass `check` (it raises DataError) and, with `skip`, those that do not.

    With `fail`, raises one DataError for all that do not, as it does if none is left.
    """
    kept: list[str] = []
    failures: dict[str, str] = {}
    for name in names:
        try:
            _check_text(name)
            check(name)
        except DataError as error:
            failures[name] = str(error)
        else:
            kept.append(name)
    if failures and (on_error == "fail" or not kept):
        listed = "\n  ".join(abridge(list(failures.values())))
        raise DataError(f"{len(failures)} image(s) cannot be used (`on_error: skip` leaves them out):\n  {listed}")
    return kept, [name.encode("utf-8", "backslashreplace").decode() for name in failures]


def _check_text(name: str) -> None:
    """A name is written into tables and seeds the image's degradation; bytes that are no UTF-8 cannot be."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise DataError(f"{name!a}: this name is not valid UTF-8; rename the file") from None


def take(names: Sequence[str], start: int, count: int | None, where: Path | str) -> list[str]:
    """`count` names from the `start`-th on (all if None); DataError if there are fewer.

    Counted before anything is skipped: a file that gets damaged must not move the border between two splits.
    """
    chosen = list(names[start:] if count is None else names[start : start + count])
    if not chosen or (count is not None and len(chosen) < count):
        wanted = f"start {start}" if count is None else f"start {start}, count {count}"
        raise DataError(f"{where}: holds {len(names)} images, too few for {wanted}")
    return chosen


def abridge(lines: Sequence[str]) -> list[str]:
    """The first few lines and, if there are more, how many."""
    rest = len(lines) - SHOWN
    return [*lines[:SHOWN], f"... and {rest} more"] if rest > 0 else list(lines)
