"""A folder of ground-truth images."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.config import FolderData
from bench.data.fingerprint import digest_files, fingerprint
from bench.data.fit import fit_square
from bench.data.images import check_image, read_image
from bench.data.listing import drop_unusable, list_images, take
from bench.data.scale import check_size


class FolderSource:
    """See `FolderData`.

    Opening reads every header and looks for cut-off files, so that `on_error` is settled once and the ids
    never change afterwards: batch t of a training must not depend on what was decoded before. A file damaged
    in its middle passes this; using it raises DataError under both policies.
    """

    ids: Sequence[str]
    skipped: Sequence[str]

    def __init__(self, config: FolderData, folder: Path, digests: Path | None = None) -> None:
        self._config = config
        self._digests = digests
        self._paths = list_images(folder)
        names = take(list(self._paths), config.start, config.count, folder)
        self.ids, self.skipped = drop_unusable(names, self._check, config.on_error)

    def image(self, index: int, visit: int = 0) -> NDArray[np.uint8]:
        """Ground truth `index`, (H, W, 3); whole where `RandomCrops` cuts it."""
        image = read_image(self._paths[self.ids[index]])
        size, fit = self._config.size, self._config.fit
        return image if size is None or fit == "random_crop" else fit_square(image, size, fit)

    def degraded(self, index: int) -> None:
        """None: a folder has no degraded images of its own."""

    def fingerprint(self) -> str:
        """Digest of the ids, the files' bytes and, where images are cut, of size and fit."""
        digests = digest_files([self._paths[name] for name in self.ids], self._digests)
        size = self._config.size
        settings = {"size": size, "fit": None if size is None else self._config.fit}
        return fingerprint("folder", settings, list(zip(self.ids, digests, strict=True)))

    def _check(self, name: str) -> None:
        path = self._paths[name]
        check_size(check_image(path), self._config.size, path)
