"""Ground-truth images by index, whatever they come from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bench.data.cache import CachedSource
from bench.data.collection import Collection, Column, ColumnName, Table
from bench.data.config import (
    ColumnData,
    DataConfig,
    FittedData,
    FolderData,
    HuggingFaceData,
    LmdbData,
    PairedData,
    PhotosData,
    PortraitsData,
    Split,
    WebdatasetData,
)
from bench.data.couples import match_names, match_records
from bench.data.fingerprint import fingerprint
from bench.data.folder import FolderImages
from bench.data.ground_truth import GroundTruthSource
from bench.data.hub_rows import HubRows
from bench.data.lmdb_images import LmdbImages, open_images
from bench.data.paired import PairedSource
from bench.data.photos import PhotosSource
from bench.data.portraits import VERSION
from bench.data.random_crops import RandomCrops
from bench.data.rendered import Shards
from bench.data.webdataset import Samples
from bench.errors import DataError

# The portraits of one seed are one sequence; each split owns a stretch of it.
SPLIT_LENGTH = 10_000_000
_FIRST: dict[Split, int] = {"train": 0, "val": SPLIT_LENGTH, "test": 2 * SPLIT_LENGTH}


class Source(Protocol):
    """A fixed sequence of images with unique names; picklable, and the same in every process."""

    @property
    def ids(self) -> Sequence[str]:
        """Unique names in natural order."""

    @property
    def skipped(self) -> Sequence[str]:
        """Names that were left out under `on_error: skip`."""

    def image(self, index: int, visit: int = 0) -> NDArray[np.uint8]:
        """Ground truth `index`: (H, W, 3) RGB. Raises DataError naming the file if it cannot be decoded.

        `visit` counts the epochs of a training from 1; 0 is evaluation's. Only random crops depend on it.
        """

    def degraded(self, index: int) -> NDArray[np.uint8] | None:
        """The degraded image that belongs to it, if the source has its own."""

    def fingerprint(self) -> str:
        """Hex digest of all that decides the pixels; the same wherever the data lie."""


def open_source(config: DataConfig, root: Path, cache: Path | None = None) -> Source:
    """The configured source, its images kept in memory after their first use as far as a fixed bound allows.

    Relative paths are relative to `root`. In the folder `cache`, digests and sides of images, indices of shards and
    rendered portraits are kept for other processes and later runs. Raises DataError if files are missing, unusable or
    unmatched.
    """
    match config:
        case PortraitsData():
            return CachedSource(PortraitsSource(config, cache))
        case PhotosData():
            return CachedSource(PhotosSource(config, cache / "digests.json" if cache else None))
        case FolderData():
            return _ground_truth(FolderImages(root / config.path), config, cache)
        case LmdbData():
            return _ground_truth(LmdbImages(root / config.path), config, cache)
        case PairedData():
            gt, lq = (open_images(root / path) for path in (config.gt, config.lq))
            couples = match_names(gt, lq, config, None if config.meta_info is None else root / config.meta_info)
            return CachedSource(PairedSource(couples, config, cache))
        case HuggingFaceData():
            return _records(HubRows(config, root), config.column, config.lq_column, config, cache)
        case WebdatasetData():
            return _records(Samples(config, root, cache), config.column, config.lq_column, config, cache)


def _records(
    table: Table[ColumnName], column: ColumnName, lq_column: ColumnName | None, config: ColumnData, cache: Path | None
) -> Source:
    """The images of a column, or pairs of two."""
    images = Column(table, column)
    if lq_column is None:
        return _ground_truth(images, config, cache)
    return CachedSource(PairedSource(match_records(images, Column(table, lq_column)), config, cache))


def _ground_truth(images: Collection, config: FittedData, cache: Path | None) -> Source:
    source = CachedSource(GroundTruthSource(images, config, cache))
    return RandomCrops(source, config.size) if config.fit == "random_crop" and config.size else source


class PortraitsSource:
    """Portraits rendered on demand from (seed, index); see `bench.data.portraits`."""

    ids: Sequence[str]
    skipped: Sequence[str] = ()

    def __init__(self, config: PortraitsData, cache: Path | None = None) -> None:
        if config.count > SPLIT_LENGTH:
            raise DataError(f"portraits: a split holds at most {SPLIT_LENGTH} images, not {config.count}")
        self._config = config
        first = _FIRST[config.split]
        self._shards = Shards(cache, config.seed, first, config.count, config.size) if cache else None
        self.ids = [f"{config.split}-{index:06d}" for index in range(config.count)]

    def image(self, index: int, visit: int = 0) -> NDArray[np.uint8]:
        """Portrait `index` of the split, (size, size, 3)."""
        if not 0 <= index < len(self.ids):
            raise IndexError(f"portrait {index} of {len(self.ids)}")
        if self._shards is not None:
            return self._shards.image(index)
        from bench.data.portraits.render import render

        return render(self._config.seed, _FIRST[self._config.split] + index, self._config.size)

    def degraded(self, index: int) -> None:
        """None: portraits come clean."""

    def fingerprint(self) -> str:
        """Digest of the renderer's version and the configuration."""
        return fingerprint("portraits", {"version": VERSION, **self._config.model_dump(exclude={"source"})})
