"""PSNR and SSIM as BasicSR and MATLAB define them, in float64, on RGB or on BT.601 luma."""

from __future__ import annotations

import math
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
ROWS, COLUMNS = 16, 24  # of the result per matrix product: large enough for BLAS, small enough for the cache
BLOCK = 1 << 16  # samples of a difference at a time: half a megabyte in float64


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
    height, channels, width = x.shape
    strips = _Strips(channels, width)
    taken = (slice(top, top + ROWS + WINDOW - 1) for top in range(0, height - WINDOW + 1, ROWS))
    total: float = sum(strips.sum_ssim(x[rows], y[rows]) for rows in taken)
    return float(total / ((height - WINDOW + 1) * channels * (width - WINDOW + 1)))


def _described(channels: Channels) -> str:
    return "rgb" if channels == "rgb" else "y-bt601"


def _squared_error(restored: Image, gt: Image) -> float:
    """Exact: integers below 2^53 are what float64 adds without rounding."""
    x, y = restored.reshape(-1), gt.reshape(-1)
    larger, smaller = np.empty((2, min(BLOCK, x.size)), np.uint8)
    difference = np.empty(larger.size)
    total = 0.0
    for start in range(0, x.size, BLOCK):
        one, other = x[start : start + BLOCK], y[start : start + BLOCK]
        np.maximum(one, other, out=larger[: one.size])
        np.minimum(one, other, out=smaller[: one.size])
        np.subtract(larger, smaller, out=larger)
        difference[:] = larger
        total += float(difference[: one.size] @ difference[: one.size])
    return total / gt.size


def _luma_squared_error(restored: Image, gt: Image) -> float:
    return float(np.mean((luma(restored) - luma(gt)) ** 2))


class _Strips:
    """SSIM of strips of up to ROWS rows of the result, (rows + 10, C, W) of the images.

    All arrays are taken once: at the sizes of images, memory that comes fresh from the system at every strip
    costs several times the arithmetic. Planes lie one after the other, each whole, as BLAS wants them.
    """

    def __init__(self, channels: int, width: int) -> None:
        self._moments = np.empty(4 * (ROWS + WINDOW - 1) * channels * width)
        self._rows = np.empty(4 * ROWS * channels * width)
        self._filtered = np.empty(4 * ROWS * channels * (width - WINDOW + 1))

    def sum_ssim(self, x: NDArray[np.generic], y: NDArray[np.generic]) -> float:
        """The SSIM map's sum."""
        rows = self._filter_rows(self._multiply(x, y)).reshape(-1, x.shape[2])
        return self._combine(self._filter_columns(rows).reshape(4, -1))

    def _multiply(self, x: NDArray[np.generic], y: NDArray[np.generic]) -> NDArray[np.float64]:
        """x, y, x^2 + y^2 and x y, (4, h, C W).

        The formula needs the two second moments only as a sum, so that four filtered planes do instead of five.
        """
        moments = _shaped(self._moments, (4, *x.shape))
        moments[0], moments[1] = x, y
        np.multiply(moments[0], moments[0], out=moments[2])
        np.multiply(moments[1], moments[1], out=moments[3])
        moments[2] += moments[3]
        np.multiply(moments[0], moments[1], out=moments[3])
        return moments.reshape(4, len(x), -1)

    def _filter_rows(self, planes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each column of (4, h, C W) under the window: (4, h - 10, C W).

        A product with a banded matrix: more than twice the arithmetic of a sliding window, yet several times
        faster, because BLAS does it.
        """
        count, height, width = planes.shape
        rows = height - WINDOW + 1
        return np.matmul(_band(rows), planes, out=_shaped(self._rows, (count, rows, width)))

    def _filter_columns(self, rows: NDArray[np.float64]) -> NDArray[np.float64]:
        """Each row of (n, W) under the window, a block of columns at a time: (n, W - 10)."""
        count, width = rows.shape
        filtered = _shaped(self._filtered, (count, width - WINDOW + 1))
        for left in range(0, filtered.shape[1], COLUMNS):
            block = filtered[:, left : left + COLUMNS]
            taps = rows[:, left : left + block.shape[1] + WINDOW - 1]
            np.matmul(taps, _band(block.shape[1]).T, out=block)
        return filtered

    def _combine(self, filtered: NDArray[np.float64]) -> float:
        """The sum of (2 mx my + C1) (2 cov + C2) / ((mx^2 + my^2 + C1) (vx + vy + C2)); overwrites its argument."""
        mean_x, mean_y, squares, product = filtered
        cross = np.multiply(mean_x, mean_y, out=self._rows[: mean_x.size])
        product -= cross
        for doubled, constant in ((cross, C1), (product, C2)):
            doubled *= 2
            doubled += constant
        cross *= product
        mean_x *= mean_x
        mean_y *= mean_y
        mean_x += mean_y
        squares -= mean_x
        squares += C2
        mean_x += C1
        mean_x *= squares
        cross /= mean_x
        return float(cross.sum())


def _shaped(buffer: NDArray[np.float64], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """The beginning of `buffer` as an array of that shape."""
    return buffer[: math.prod(shape)].reshape(shape)


@lru_cache(maxsize=ROWS + COLUMNS)
def _band(n: int) -> NDArray[np.float64]:
    """The window shifted along `n` rows, shape (n, n + 10)."""
    offset = np.arange(n + WINDOW - 1) - np.arange(n)[:, None] - WINDOW // 2
    band = np.where(np.abs(offset) <= WINDOW // 2, np.exp(-0.5 * (offset / SIGMA) ** 2), 0)
    band /= band.sum(axis=1, keepdims=True)
    band.flags.writeable = False
    return band
