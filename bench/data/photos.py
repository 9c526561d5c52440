"""Photographs that ship with scikit-image: images outside the domain of the portraits, without a download."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bench.data.config import PhotosData
from bench.data.fingerprint import digest_files, fingerprint
from bench.data.fit import random_crop, reduce_square
from bench.data.images import check_image, read_image
from bench.errors import DataError

# The colour photographs of everyday scenes in the wheel. Left out: `retina` and `hubble_deep_field`, crops of
# which are mostly black, textures, diagrams, and the motorcycle's second view.
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg")


class PhotosSource:
    """Image i is a random square of photograph i modulo their number, reduced to `size` pixels.

    Its side is uniform between `size` and the photograph's shorter side; side and place are drawn from (seed,
    i). A photograph with a side below `size` takes no part. The files are read directly: `skimage.data` might
    download.
    """

    ids: Sequence[str]
    skipped: Sequence[str] = ()

    def __init__(self, config: PhotosData, digests: Path | None = None) -> None:
        self._config = config
        self._digests = digests
        self._paths = [path for path in _photographs() if check_image(path)[0] >= config.size]
        if not self._paths:
            raise DataError(f"photos: no photograph in scikit-image has both sides of {config.size} pixels or more")
        count = config.count or len(self._paths)
        self.ids = [f"{self._path(index).stem}-{index:05d}" for index in range(count)]
        self._photographs: dict[Path, NDArray[np.uint8]] = {}

    def image(self, index: int, visit: int = 0) -> NDArray[np.uint8]:
        """Crop `index`, (size, size, 3)."""
        photograph, size = self._photograph(self._path(index)), self._config.size
        rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([self._config.seed, index])))
        side = int(rng.integers(size, min(photograph.shape[:2]) + 1))
        return reduce_square(random_crop(photograph, side, rng), size)

    def degraded(self, index: int) -> None:
        """None: photographs come clean."""

    def fingerprint(self) -> str:
        """Digest of the photographs' bytes, seed, count and size."""
        settings = {"seed": self._config.seed, "count": len(self.ids), "size": self._config.size}
        digests = digest_files(self._paths, self._digests)
        return fingerprint("photos", settings, [(p.stem, d) for p, d in zip(self._paths, digests, strict=True)])

    def _path(self, index: int) -> Path:
        return self._paths[index % len(self._paths)]

    def _photograph(self, path: Path) -> NDArray[np.uint8]:
        if path not in self._photographs:
            self._photographs[path] = read_image(path)
        return self._photographs[path]


def _photographs() -> list[Path]:
    spec = find_spec("skimage")
    if spec is None or spec.origin is None:
        raise DataError("photos: scikit-image is not installed; `pip install scikit-image`")
    return [Path(spec.origin).parent / "data" / name for name in PHOTOGRAPHS]
