"""Data sets of the library `datasets`, from a folder or from the Hugging Face hub."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

from bench.data.config import HuggingFaceData
from bench.errors import DataError
from methods.base import suggest

Splits: TypeAlias = Mapping[str, Any]
"""`datasets.Dataset` by the name of the split."""


def open_splits(config: HuggingFaceData, root: Path) -> Splits:
    """All splits, mapped from disk. Raises DataError where the library or the data set are missing."""
    try:
        from datasets import load_dataset, load_from_disk
        from datasets.exceptions import DatasetNotFoundError
    except ImportError:  # also where a folder of the user's is called `datasets`
        raise DataError(
            'huggingface: the library `datasets` is missing: pip install "ugpnet-bench[huggingface]"'
        ) from None
    where, folder = f"huggingface {config.path}", (root / config.path).expanduser()
    try:
        if any((folder / name).is_file() for name in ("dataset_dict.json", "dataset_info.json")):
            return _by_name(load_from_disk(str(folder)))
        place = str(folder.absolute()) if folder.is_dir() else _hub_id(config.path, folder)
        return _by_name(load_dataset(place, config.config, revision=None if folder.is_dir() else config.revision))
    except DataError:
        raise
    except ConnectionError as error:
        remedy = "fetch it where there is a network, or give `path` a folder that `save_to_disk` wrote"
        raise DataError(f"{where}: cannot be fetched from the hub ({_line(error)}); {remedy}") from None
    except DatasetNotFoundError as error:
        raise DataError(f"{where}: no such folder ({folder}), and not on the hub either: {_line(error)}") from None
    except Exception as error:  # whatever the parsers of its files raise
        raise DataError(f"{where}: {_line(error)}") from error


def choose_rows(splits: Splits, spec: str, where: str) -> list[tuple[str, int]]:
    """(split, row of it) for each row of `test`, `test[:500]`, `train[10%:]+test`, ... Raises DataError on others."""
    from datasets import ReadInstruction

    lengths = {name: len(rows) for name, rows in splits.items()}
    wanted = re.findall(r"(?:^|\+)\s*([\w.]+)", spec)
    if unknown := [name for name in wanted if name not in lengths]:
        raise DataError(f"{where}: no split {unknown[0]!r}{suggest(unknown[0], tuple(lengths))}")
    try:
        parts = ReadInstruction.from_spec(spec).to_absolute(lengths)
    except (ValueError, AssertionError) as error:
        raise DataError(f"{where}: split {spec!r}: {_line(error)}") from None
    return [(part.splitname, row) for part in parts for row in range(part.from_, part.to)]


def check_column(rows: Any, column: str, where: str) -> None:
    """Raises DataError if there is no such column."""
    if column not in rows.column_names:
        raise DataError(f"{where}: no column {column!r}{suggest(column, tuple(rows.column_names))}")


def encoded_images(rows: Any, columns: tuple[str, ...], where: str) -> Any:
    """`rows` as a table of image files as they are, {bytes, path} by column. Raises DataError if a column has no images."""
    from datasets import Image, Value

    for column in columns:
        check_column(rows, column, where)
        kind = rows.features[column]
        as_bytes = kind in (Value("binary"), Value("large_binary"))
        if not (isinstance(kind, Image) or as_bytes or (isinstance(kind, dict) and set(kind) == {"bytes", "path"})):
            raise DataError(f"{where}: column {column!r} holds {kind}, no images")
    table = rows.select_columns(list(columns))
    for column in columns:
        table = table.cast_column(column, Image(decode=False))
    return table.with_format("arrow")


def _by_name(loaded: Any) -> Splits:
    """A data set that was saved without a split is a train split, as the library has it for files."""
    if isinstance(loaded, dict):
        return loaded
    return {re.split(r"[\[+]", str(loaded.split or "train"))[0]: loaded}


def _hub_id(path: str, folder: Path) -> str:
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", path) or path.startswith("."):
        raise DataError(f"huggingface {path}: no such folder ({folder}), and no id on the hub (owner/name)")
    return path


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0] or type(error).__name__
