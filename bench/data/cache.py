"""Decoded or rendered images kept in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from bench.data.sources import Source

MAX_BYTES = 512 * 2**20
"""Per source and process: 43,000 images of 64 pixels, 680 of 512."""

LEAST_PART = 0.1
"""Of a data set: less is not kept at all. Of 70,000 images of 512 pixels it would save a hundredth of the decoding, at half a
gigabyte in each of many loaders."""


class CachedSource:
    """A source whose images are made once, read-only, until `max_bytes` are held; others at each use. All at each use where
    that would be less than `LEAST_PART` of them.

    Nothing is ever evicted: batches visit all images before any comes again, where the least recently used
    one would always be evicted just before its turn. Pickling leaves the images behind.
    """

    def __init__(self, source: Source, max_bytes: int = MAX_BYTES) -> None:
        self._source = source
        self._free = self._max_bytes = max_bytes
        self._images: dict[tuple[str, int], NDArray[np.uint8] | None] = {}

    @property
    def ids(self) -> Sequence[str]:
        """See `Source`."""
        return self._source.ids

    @property
    def skipped(self) -> Sequence[str]:
        """See `Source`."""
        return self._source.skipped

    def image(self, index: int, visit: int = 0) -> NDArray[np.uint8]:
        """See `Source`; the same at every visit."""
        image = self._keep("gt", index, self._source.image)
        assert image is not None
        return image

    def degraded(self, index: int) -> NDArray[np.uint8] | None:
        """See `Source`."""
        return self._keep("lq", index, self._source.degraded)

    def fingerprint(self) -> str:
        """See `Source`."""
        return self._source.fingerprint()

    def _keep(self, kind: str, index: int, make: Callable[[int], NDArray[np.uint8] | None]) -> NDArray[np.uint8] | None:
        if (kind, index) in self._images:
            return self._images[kind, index]
        made = make(index)
        # A crop is a view that would keep its whole photograph alive.
        image = None if made is None else np.ascontiguousarray(made)
        size = 0 if image is None else image.nbytes
        if image is not None:
            image.setflags(write=False)
        if size <= self._free and LEAST_PART * size * len(self.ids) <= self._max_bytes:
            self._images[kind, index] = image
            self._free -= size
        return image

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_images": {}, "_free": self._max_bytes}
