"""Rows of a Hugging Face data set as image files with names."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.data.config import HuggingFaceData
from bench.data.encoded import Encoded
from bench.data.fingerprint import digest_all, file_key
from bench.data.hub import Splits, check_column, choose_rows, encoded_images, open_splits
from bench.data.images import ImageFile
from bench.data.listing import abridge
from bench.errors import DataError


class HubRows:
    """The rows of a split in their order, by unique names; `columns` hold images. Raises what opening them raises."""

    names: Sequence[str]

    def __init__(self, config: HuggingFaceData, root: Path, columns: tuple[str, ...]) -> None:
        self._title = f"huggingface {config.path}"
        splits = open_splits(config, root)
        chosen = choose_rows(splits, config.split, self._title)
        used = {name: splits[name] for name, _ in chosen}
        self._tables = {name: encoded_images(rows, columns, f"{self._title}[{name}]") for name, rows in used.items()}
        self._places = {name: _place(rows) for name, rows in used.items()}
        self.names = _names(chosen, used, config.id_column, self._title)
        self._rows = dict(zip(self.names, chosen, strict=True))

    def file(self, name: str, column: str) -> ImageFile:
        """The encoded image. Raises DataError if there is none."""
        split, row = self._rows[name]
        title = f"{self._title}[{split}] row {row}"
        image = self._tables[split][row][column][0]
        if image.is_valid and image["bytes"].is_valid:
            return Encoded(title, image["bytes"].as_buffer())
        if image.is_valid and image["path"].is_valid:
            return Path(image["path"].as_py())
        raise DataError(f"{title}: there is nothing in column {column!r}")

    def digests(self, names: Sequence[str], column: str, cache: Path | None) -> list[str]:
        """sha256 of each encoded image, remembered as long as the files that hold them are unchanged."""
        files = [self.file(name, column) for name in names]
        keys = [self._key(name, column, file) for name, file in zip(names, files, strict=True)]
        return digest_all(keys, lambda index: _content(files[index]), cache if all(self._places.values()) else None)

    def _key(self, name: str, column: str, file: ImageFile) -> str:
        split, row = self._rows[name]
        return file_key(file) if isinstance(file, Path) else f"{self._places[split]}|{column}|{row}"


def _names(chosen: Sequence[tuple[str, int]], splits: Splits, column: str | None, title: str) -> list[str]:
    if column is None:
        names = [f"{split}-{row:06d}" for split, row in chosen]
    else:
        for split, rows in splits.items():
            check_column(rows, column, f"{title}[{split}]")
        values = {split: rows.select_columns([column])[:][column] for split, rows in splits.items()}
        names = [str(values[split][row]) for split, row in chosen]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"{title}[{'+'.join(splits)}]: names occur more than once: {', '.join(abridge(twice))}")
    return names


def _place(rows: Any) -> str:
    """What the rows of a data set are known by while its files are unchanged; empty where they are in memory."""
    keys = [file_key(Path(file["filename"])) for file in rows.cache_files]
    return hashlib.sha256("\n".join(keys).encode()).hexdigest() if keys else ""


def _content(file: ImageFile) -> Any:
    return file.read_bytes() if isinstance(file, Path) else file.content
