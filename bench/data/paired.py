"""Degraded images made elsewhere beside their ground truth."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.collection import Headers, digest_images, known_headers
from bench.data.config import ChosenData
from bench.data.couples import Couples
from bench.data.fingerprint import fingerprint
from bench.data.fit import center_crop
from bench.data.images import read_image
from bench.data.listing import drop_unusable, take
from bench.data.scale import Sides, check_scale, check_size, find_scale


class PairedSource:
    """The couples that the configuration chooses, by the names of their ground truth.

    Opening looks at headers and ends as `GroundTruthSource` does; a pair is reported or left out as a whole. `scale` is gt's
    size over lq's in the first pair, and every pair must have it.
    """

    ids: Sequence[str]
    skipped: Sequence[str]
    scale: int

    def __init__(self, couples: Couples, config: ChosenData, cache: Path | None = None) -> None:
        self._gt, self._lq, self._partner = couples.gt, couples.lq, couples.partner
        self._config, self._cache = config, cache
        names = take(list(self._partner), config.start, config.count, self._gt.title)
        sides: dict[str, tuple[Sides, Sides]] = {}
        with known_headers(cache) as headers:
            readable, damaged = drop_unusable(names, partial(self._look, headers, sides), config.on_error)
        self.scale = find_scale(*sides[readable[0]], config.size, self._gt.label(readable[0]))
        self.ids, unequal = drop_unusable(readable, lambda name: self._check_scale(name, *sides[name]), config.on_error)
        self.skipped = [*couples.lonely, *damaged, *unequal]

    def image(self, index: int, visit: int = 0) -> NDArray[np.uint8]:
        """Ground truth `index`, (H, W, 3)."""
        gt, size = read_image(self._gt.file(self.ids[index])), self._config.size
        return gt if size is None else center_crop(gt, size, self.scale)

    def degraded(self, index: int) -> NDArray[np.uint8]:
        """Its degraded image, (H / scale, W / scale, 3), at the same place."""
        lq, size = read_image(self._lq.file(self._partner[self.ids[index]])), self._config.size
        return lq if size is None else center_crop(lq, size // self.scale)

    def fingerprint(self) -> str:
        """Digest of the ids, both encoded images of each pair and what cuts them; not of where they lie."""
        gt = digest_images(self._gt, self.ids, self._cache)
        lq = digest_images(self._lq, [self._partner[name] for name in self.ids], self._cache)
        pairs = [(name, f"{one} {other}") for name, one, other in zip(self.ids, gt, lq, strict=True)]
        return fingerprint(self._config.source, self._config.cut, pairs)

    def _look(self, headers: Headers, sides: dict[str, tuple[Sides, Sides]], name: str) -> None:
        gt, lq = headers.sides(self._gt, name), headers.sides(self._lq, self._partner[name])
        check_size(gt, self._config.size, self._gt.label(name))
        sides[name] = gt, lq

    def _check_scale(self, name: str, gt: Sides, lq: Sides) -> None:
        check_scale(gt, lq, self.scale, self._gt.label(name))
