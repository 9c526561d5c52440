"""PSNR and SSIM as BasicSR and MATLAB define them, in float64, on RGB or on BT.601 luma."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.metrics.base import Image, check_pair

Channels = Literal["rgb", "y"]

WINDOW, SIGMA = 11, 1.5  # Wang et al. 2004, section III-B
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2  # ibid., equation 13
STRIP = 32  # output rows (columns) per matrix product: large enough for BLAS, small enough for the cache


@dataclass(frozen=True)
class Psnr:
    """`psnr` on RGB or `psnr_y` on luma."""

    channels: Channels = "rgb"
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        return "psnr" if self.channels == "rgb" else "psnr_y"

    @property
    def protocol(self) -> str:
        return f"psnr/{_described(self.channels)}/8bit/crop0/v1"

    def score(self, restored: Image, gt: Image) -> float:
        check_pair(self.name, restored, gt)
        mse = _squared_error(restored, gt) if self.channels == "rgb" else _luma_squared_error(restored, gt)
        return math.inf if mse == 0 else 10 * math.log10(255**2 / mse)


@dataclass(frozen=True)
class Ssim:
    """`ssim` on RGB (mean of the channels) or `ssim_y` on luma; at least 11 pixels a side."""

    channels: Channels = "rgb"
    higher_is_better: bool = True

    @property
    def name(self) -> str:
        return "ssim" if self.channels == "rgb" else "ssim_y"

    @property
    def protocol(self) -> str:
        return f"ssim/{_described(self.channels)}/8bit/gauss11-1.5/valid/crop0/v1"

    def score(self, restored: Image, gt: Image) -> float:
        check_pair(self.name, restored, gt)
        if min(gt.shape[:2]) < WINDOW:
            height, width, _ = gt.shape
            raise DataError(f"{self.name}: needs {WINDOW} pixels a side, got {height}x{width} (HxW)")
        if self.channels == "rgb":
            return mean_ssim(np.moveaxis(restored, 2, 1), np.moveaxis(gt, 2, 1))
        return mean_ssim(luma(restored)[:, None], luma(gt)[:, None])


def luma(image: Image) -> NDArray[np.float64]:
    """BT.601 luma of an RGB image, shape (H, W), range [16, 235], not rounded.

    MATLAB's rgb2ycbcr; BasicSR passes through float32 here, which moves its scores in the seventh digit.
    """
    red, green, blue = np.moveaxis(image, 2, 0)
    y: NDArray[np.float64] = red * (65.481 / 255) + green * (128.553 / 255) + blue * (24.966 / 255)
    return y + 16


def mean_ssim(x: NDArray[np.generic], y: NDArray[np.generic]) -> float:
    """Mean SSIM of two images of shape (H, C, W), range [0, 255], over channels and the window's valid
    positions.

    Population covariance under a Gaussian window (Wang et al. 2004, equation 13). Works strip by strip, so
    that the memory does not grow with the height.
    """
    total = sum(_ssim_map(*strip).sum() for strip in _strips(x, y))
    height, channels, width = x.shape
    return float(total / ((height - WINDOW + 1) * channels * (width - WINDOW + 1)))


def _described(channels: Channels) -> str:
    return "rgb" if channels == "rgb" else "y-bt601"


def _squared_error(restored: Image, gt: Image) -> float:
    # uint16 wraps for negative differences, but their squares are below 2^16 and so come out exact.
    difference = np.subtract(restored, gt, dtype=np.uint16).reshape(len(gt), -1)
    np.multiply(difference, difference, out=difference)
    return int(difference.sum(axis=1, dtype=np.uint64).sum()) / gt.size


def _luma_squared_error(restored: Image, gt: Image) -> float:
    return float(np.mean((luma(restored) - luma(gt)) ** 2))


def _strips(
    x: NDArray[np.generic], y: NDArray[np.generic]
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    for top in range(0, x.shape[0] - WINDOW + 1, STRIP):
        rows = slice(top, top + STRIP + WINDOW - 1)
        yield x[rows].astype(np.float64, order="C"), y[rows].astype(np.float64, order="C")


def _ssim_map(x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    # The formula needs the two second moments only as a sum, so that four filtered planes do instead of five.
    filtered = _filter(np.stack([x, y, x * x + y * y, x * y], axis=1))
    mean_x, mean_y, squares, product = np.moveaxis(filtered, 1, 0)
    means, cross = mean_x**2 + mean_y**2, mean_x * mean_y
    ssim: NDArray[np.float64] = (2 * cross + C1) * (2 * (product - cross) + C2)
    ssim /= (means + C1) * (squares - means + C2)
    return ssim


def _filter(planes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Gaussian-filtered planes of one strip at the valid positions: (h, ..., W) -> (h - 10, ..., W - 10).

    Each pass is a product with a banded matrix: four times the arithmetic of a sliding window, yet several
    times faster, because BLAS does it.
    """
    h, *inner, width = planes.shape
    rows = (_band(h - WINDOW + 1) @ planes.reshape(h, -1)).reshape(-1, width)
    out = np.empty((len(rows), width - WINDOW + 1))
    for left in range(0, out.shape[1], STRIP):
        block = out[:, left : left + STRIP]
        taps = rows[:, left : left + block.shape[1] + WINDOW - 1]
        np.matmul(taps, _band(block.shape[1]).T, out=block)
    return out.reshape(-1, *inner, out.shape[1])


@lru_cache(maxsize=STRIP)
def _band(n: int) -> NDArray[np.float64]:
    """The window shifted along `n` rows, shape (n, n + 10)."""
    offset = np.arange(n + WINDOW - 1) - np.arange(n)[:, None] - WINDOW // 2
    band = np.where(np.abs(offset) <= WINDOW // 2, np.exp(-0.5 * (offset / SIGMA) ** 2), 0)
    band /= band.sum(axis=1, keepdims=True)
    band.flags.writeable = False
    return band
