"""BasicSR's `meta_info` lists: which images of a folder or an lmdb belong to a data set."""

from __future__ import annotations

import re
from pathlib import Path

from bench.errors import DataError

_SHAPE = re.compile(r"\s+\(\s*\d+\s*,\s*\d+\s*(,\s*\d+\s*)?\)(\s+\d+)?\s*$")


def read_meta_info(path: Path) -> list[tuple[str, str | None]]:
    """(gt name, lq name or None) of each line, in the file's order; empty lines are left out.

    A line is `0001.png`, `0001.png (480,480,3)` (height, width, channels: ignored, as is the compression that an
    lmdb's list has behind them) or `gt/0001.png, lq/0001.png`, names relative to the folders of gt and lq. Raises
    DataError if the file cannot be read or names nothing.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read as a list of names ({error}); check `meta_info`") from error
    entries = [_parse(line) for line in lines if line.strip()]
    if not entries:
        raise DataError(f"{path}: names no image; check `meta_info`")
    return entries


def _parse(line: str) -> tuple[str, str | None]:
    gt, _, lq = (part.strip() for part in _SHAPE.sub("", line).partition(","))
    return gt, lq or None
