"""Squares at random places of a source's images."""

from __future__ import annotations

from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from bench.data.cache import CachedSource
from bench.data.fingerprint import fingerprint
from bench.data.fit import random_crop


class RandomCrops:
    """Crops of `size` pixels a side; their places are a function of the image's id and of the visit."""

    def __init__(self, source: CachedSource, size: int) -> None:
        self.ids = source.ids
        self.skipped = source.skipped
        self._source = source
        self._size = size

    def image(self, index: int, visit: int = 0) -> NDArray[np.uint8]:
        """See `Source`: (size, size, 3)."""
        seeds = np.random.SeedSequence([crc32(self.ids[index].encode()), visit])
        return random_crop(self._source.image(index), self._size, np.random.Generator(np.random.PCG64(seeds)))

    def degraded(self, index: int) -> None:
        """None: what is cropped comes clean."""

    def fingerprint(self) -> str:
        """Digest of the images, the size and the rule of this file."""
        return fingerprint("random_crops", {"version": 1, "size": self._size, "of": self._source.fingerprint()})
