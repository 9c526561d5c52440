"""Laplacian pyramid (Burt and Adelson 1983): band-pass levels of an image, each with one scale of detail."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.metrics.base import Image

Level: TypeAlias = NDArray[np.float32]
"""HWC, +-255."""

_BINOMIAL = np.array([1, 4, 6, 4, 1], dtype=np.float32) / 16


def laplacian_pyramid(image: Image, coarsest: int) -> list[Level]:
    """Levels, finest first, then the low-pass rest; halved while the shorter side stays >= `coarsest`."""
    low = image.astype(np.float32)
    levels = []
    while min(low.shape[:2]) // 2 >= coarsest:
        half = _smooth(low)[::2, ::2]
        levels.append(low - _expand(half, low.shape))
        low = half
    return [*levels, low]


def _smooth(image: Level) -> Level:
    from scipy import ndimage  # 0.2 s, which a plan that only names the metric is spared

    rows: Level = ndimage.correlate1d(image, _BINOMIAL, axis=0, mode="mirror")
    smooth: Level = ndimage.correlate1d(rows, _BINOMIAL, axis=1, mode="mirror")
    return smooth


def _expand(half: Level, shape: tuple[int, ...]) -> Level:
    """`half` at twice the size: zeros between its samples, smoothed, times 4 to keep the mean."""
    sparse = np.zeros(shape, dtype=np.float32)
    sparse[::2, ::2] = half
    return 4 * _smooth(sparse)
