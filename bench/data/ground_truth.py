"""Ground truth without degraded images of its own."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.collection import Collection, Headers, digest_images, known_headers
from bench.data.config import FittedData
from bench.data.fingerprint import fingerprint
from bench.data.fit import fit_square
from bench.data.images import read_image
from bench.data.listing import drop_unusable, take
from bench.data.scale import check_size


class GroundTruthSource:
    """The images of a collection that the configuration chooses; see `FolderData`.

    Opening looks at every header and for cut-off files, unless `cache` knows them, so that `on_error` is settled once and
    the ids never change afterwards: batch t of a training must not depend on what was decoded before. A file damaged in its
    middle passes this; using it raises DataError under both policies.
    """

    ids: Sequence[str]
    skipped: Sequence[str]

    def __init__(self, images: Collection, config: FittedData, cache: Path | None = None) -> None:
        self._images, self._config, self._cache = images, config, cache
        names = take(images.names, config.start, config.count, images.title)
        with known_headers(cache) as headers:
            self.ids, self.skipped = drop_unusable(names, partial(self._check, headers), config.on_error)

    def image(self, index: int, visit: int = 0) -> NDArray[np.uint8]:
        """Ground truth `index`, (H, W, 3); whole where `RandomCrops` cuts it."""
        image = read_image(self._images.file(self.ids[index]))
        size, fit = self._config.size, self._config.fit
        return image if size is None or fit == "random_crop" else fit_square(image, size, fit)

    def degraded(self, index: int) -> None:
        """None: it comes clean."""

    def fingerprint(self) -> str:
        """Digest of the ids, the encoded images and, where these are cut, of size and fit; not of where they lie."""
        digests = digest_images(self._images, self.ids, self._cache)
        return fingerprint(self._config.source, self._config.cut, list(zip(self.ids, digests, strict=True)))

    def _check(self, headers: Headers, name: str) -> None:
        check_size(headers.sides(self._images, name), self._config.size, self._images.label(name))
