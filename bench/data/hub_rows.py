"""Rows of a Hugging Face data set as images with names."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.data.config import HuggingFaceData
from bench.data.encoded import Encoded
from bench.data.fingerprint import file_key
from bench.data.hub import Splits, check_column, choose_rows, encoded_images, open_splits
from bench.data.images import ImageFile
from bench.data.listing import check_unique
from bench.errors import DataError


class HubRows:
    """The rows of a split in their order; see `Table`. Raises what opening them raises."""

    def __init__(self, config: HuggingFaceData, root: Path) -> None:
        self._path, self._columns = config.path, tuple(filter(None, (config.column, config.lq_column)))
        self.title = f"huggingface {config.path}[{config.split}]"
        title = f"huggingface {config.path}"
        splits = open_splits(config, root)
        chosen = choose_rows(splits, config.split, title)
        used = {name: splits[name] for name, _ in chosen}
        self._tables = {name: encoded_images(rows, self._columns, f"{title}[{name}]") for name, rows in used.items()}
        self._places = {name: _place(rows) for name, rows in used.items()}
        self.names = _names(chosen, used, config.id_column, title)
        self._rows = dict(zip(self.names, chosen, strict=True))

    def label(self, name: str) -> str:
        """What errors call the row."""
        split, row = self._rows[name]
        return f"huggingface {self._path}[{split}] row {row}"

    def file(self, name: str, column: str) -> ImageFile:
        """The encoded image. Raises DataError if there is none."""
        split, row = self._rows[name]
        image = self._tables[split][row][column][0]
        if image.is_valid and image["bytes"].is_valid:
            return Encoded(self.label(name), memoryview(image["bytes"].as_buffer()).cast("B"))
        if image.is_valid and image["path"].is_valid:
            return Path(image["path"].as_py())
        raise DataError(f"{self.label(name)}: there is nothing in column {column!r}")

    def key(self, name: str, column: str) -> str:
        """What the image is known by while the files that hold it are unchanged; empty where there are none."""
        split, row = self._rows[name]
        if isinstance(file := self.file(name, column), Path):
            return file_key(file)
        return f"{self._places[split]}|{column}|{row}" if self._places[split] else ""


def _names(chosen: Sequence[tuple[str, int]], splits: Splits, column: str | None, title: str) -> list[str]:
    if column is None:
        names = [f"{split}-{row:06d}" for split, row in chosen]
    else:
        for split, rows in splits.items():
            check_column(rows, column, f"{title}[{split}]")
        values = {split: rows.select_columns([column])[:][column] for split, rows in splits.items()}
        names = [str(values[split][row]) for split, row in chosen]
    check_unique(names, f"{title}[{'+'.join(splits)}]")
    return names


def _place(rows: Any) -> str:
    """What the rows of a data set are known by while its files are unchanged; empty where they are in memory."""
    keys = [file_key(Path(file["filename"])) for file in rows.cache_files]
    return hashlib.sha256("\n".join(keys).encode()).hexdigest() if keys else ""
