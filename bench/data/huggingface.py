"""Ground-truth images, or pairs, of a Hugging Face data set."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bench.data.config import HuggingFaceData
from bench.data.encoded import Encoded
from bench.data.fingerprint import digest_all, file_key, fingerprint
from bench.data.fit import center_crop, fit_square
from bench.data.hub import check_column, choose_rows, encoded_images, open_splits
from bench.data.images import ImageFile, check_image, read_image
from bench.data.listing import abridge, drop_unusable, take
from bench.data.scale import Sides, check_scale, check_size, find_scale
from bench.errors import DataError


class HuggingFaceSource:
    """See `HuggingFaceData`. The rows keep their order.

    Opening looks at the header and the end of every image, as `FolderSource` does; what lies in tables is mapped, not
    read. `scale` is gt's size over lq's in the first pair, and every pair must have it; 1 without `lq_column`.
    """

    ids: Sequence[str]
    skipped: Sequence[str]
    scale: int = 1

    def __init__(self, config: HuggingFaceData, root: Path, digests: Path | None = None) -> None:
        self._config = config
        self._digests = digests
        self._columns = (config.column,) if config.lq_column is None else (config.column, config.lq_column)
        where = f"huggingface {config.path}"
        splits = open_splits(config, root)
        chosen = choose_rows(splits, config.split, where)
        used = {name: splits[name] for name, _ in chosen}
        self._tables = {name: encoded_images(rows, self._columns, f"{where}[{name}]") for name, rows in used.items()}
        self._places = {name: _place(rows) for name, rows in used.items()}
        self._rows = dict(zip(_names(chosen, used, config, where), chosen, strict=True))
        names = take(list(self._rows), config.start, config.count, f"{where}[{config.split}]")
        self._sides: dict[str, tuple[Sides, ...]] = {}
        self.ids, self.skipped = drop_unusable(names, self._check, config.on_error)
        if config.lq_column is not None:
            self._match()

    def image(self, index: int, visit: int = 0) -> NDArray[np.uint8]:
        """Ground truth `index`, (H, W, 3); whole where `RandomCrops` cuts it."""
        image, size, fit = self._read(index, self._config.column), self._config.size, self._config.fit
        if size is None or fit == "random_crop":
            return image
        return center_crop(image, size, self.scale) if fit == "center_crop" else fit_square(image, size, fit)

    def degraded(self, index: int) -> NDArray[np.uint8] | None:
        """Its degraded image, (H / scale, W / scale, 3), at the same place; None without `lq_column`."""
        if self._config.lq_column is None:
            return None
        lq, size = self._read(index, self._config.lq_column), self._config.size
        return lq if size is None else center_crop(lq, size // self.scale)

    def fingerprint(self) -> str:
        """Digest of the ids, the encoded images and, where these are cut, of size and fit; not of where they come from."""
        size = self._config.size
        settings = {"size": size, "fit": None if size is None else self._config.fit}
        digests = [self._digest(column) for column in self._columns]
        images = [(name, " ".join(both)) for name, both in zip(self.ids, zip(*digests, strict=True), strict=True)]
        return fingerprint("huggingface", settings, images)

    def _digest(self, column: str) -> list[str]:
        files = [self._file(name, column) for name in self.ids]
        keys = [self._key(name, column, file) for name, file in zip(self.ids, files, strict=True)]
        mapped = all(self._places.values())
        return digest_all(keys, lambda index: _content(files[index]), self._digests if mapped else None)

    def _key(self, name: str, column: str, file: ImageFile) -> str:
        """Equal while the files on disk are."""
        split, row = self._rows[name]
        return file_key(file) if isinstance(file, Path) else f"{self._places[split]}|{column}|{row}"

    def _read(self, index: int, column: str) -> NDArray[np.uint8]:
        return read_image(self._file(self.ids[index], column))

    def _file(self, name: str, column: str) -> ImageFile:
        split, row = self._rows[name]
        title = f"huggingface {self._config.path}[{split}] row {row}"
        image = self._tables[split][row][column][0]
        if image.is_valid and image["bytes"].is_valid:
            return Encoded(title, image["bytes"].as_buffer())
        if image.is_valid and image["path"].is_valid:
            return Path(image["path"].as_py())
        raise DataError(f"{title}: there is nothing in column {column!r}")

    def _check(self, name: str) -> None:
        files = [self._file(name, column) for column in self._columns]
        sides = tuple(check_image(file) for file in files)
        check_size(sides[0], self._config.size, files[0])
        self._sides[name] = sides

    def _match(self) -> None:
        """Settle the scale and leave out, or report, what has another."""
        gt, lq = self._sides[self.ids[0]]
        self.scale = find_scale(gt, lq, self._config.size, self._file(self.ids[0], self._config.column))
        self.ids, unequal = drop_unusable(self.ids, self._check_scale, self._config.on_error)
        self.skipped = [*self.skipped, *unequal]

    def _check_scale(self, name: str) -> None:
        gt, lq = self._sides[name]
        check_scale(gt, lq, self.scale, self._file(name, self._config.column))


def _names(chosen: Sequence[tuple[str, int]], splits: Any, config: HuggingFaceData, where: str) -> list[str]:
    """A unique name for each chosen row."""
    if config.id_column is None:
        names = [f"{split}-{row:06d}" for split, row in chosen]
    else:
        for split, rows in splits.items():
            check_column(rows, config.id_column, f"{where}[{split}]")
        values = {split: rows.select_columns([config.id_column])[:][config.id_column] for split, rows in splits.items()}
        names = [str(values[split][row]) for split, row in chosen]
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DataError(f"{where}[{config.split}]: names occur more than once: {', '.join(abridge(twice))}")
    return names


def _place(rows: Any) -> str:
    """What the rows of a data set are known by while its files are unchanged; empty where they are in memory."""
    keys = [file_key(Path(file["filename"])) for file in rows.cache_files]
    return hashlib.sha256("\n".join(keys).encode()).hexdigest() if keys else ""


def _content(file: ImageFile) -> Any:
    return file.read_bytes() if isinstance(file, Path) else file.content
