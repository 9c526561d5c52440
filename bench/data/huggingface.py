"""Ground-truth images, or pairs, of a Hugging Face data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.config import HuggingFaceData
from bench.data.fingerprint import fingerprint
from bench.data.fit import center_crop, fit_square
from bench.data.hub_rows import HubRows
from bench.data.images import check_image, read_image
from bench.data.listing import drop_unusable, take
from bench.data.scale import Sides, check_scale, check_size, find_scale


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
        self._rows = HubRows(config, root, self._columns)
        names = take(self._rows.names, config.start, config.count, f"huggingface {config.path}[{config.split}]")
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
        digests = [self._rows.digests(self.ids, column, self._digests) for column in self._columns]
        images = [(name, " ".join(both)) for name, both in zip(self.ids, zip(*digests, strict=True), strict=True)]
        return fingerprint("huggingface", settings, images)

    def _read(self, index: int, column: str) -> NDArray[np.uint8]:
        return read_image(self._rows.file(self.ids[index], column))

    def _check(self, name: str) -> None:
        files = [self._rows.file(name, column) for column in self._columns]
        sides = tuple(check_image(file) for file in files)
        check_size(sides[0], self._config.size, files[0])
        self._sides[name] = sides

    def _match(self) -> None:
        """Settle the scale and leave out, or report, what has another."""
        gt, lq = self._sides[self.ids[0]]
        self.scale = find_scale(gt, lq, self._config.size, self._rows.file(self.ids[0], self._config.column))
        self.ids, unequal = drop_unusable(self.ids, self._check_scale, self._config.on_error)
        self.skipped = [*self.skipped, *unequal]

    def _check_scale(self, name: str) -> None:
        gt, lq = self._sides[name]
        check_scale(gt, lq, self.scale, self._rows.file(name, self._config.column))
