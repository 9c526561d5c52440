"""What was found out about files, by keys that change when the files do: a JSON file of texts."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile


def load(file: Path | None) -> dict[str, str]:
    """All that `file` holds; a damaged or missing one counts as empty."""
    if file is None:
        return {}
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return {str(key): str(value) for key, value in entries.items()} if isinstance(entries, dict) else {}


def add(file: Path | None, fresh: Mapping[str, str]) -> None:
    """Complete `file`, which is replaced atomically."""
    if file is None or not fresh:
        return
    entries = {**load(file), **fresh}  # read again: another run may have added to it meanwhile
    file.parent.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", dir=file.parent, suffix=".tmp", delete=False, encoding="utf-8") as written:
        json.dump(entries, written)
    os.replace(written.name, file)
