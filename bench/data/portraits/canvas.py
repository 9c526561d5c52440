"""The image plane: coordinates, coverage, blending, lattice noise and random streams.

Plane units: x to the right and y down, both from -1 to 1 over the frame. Images are linear light, CHW
float64: that keeps the last-place differences between maths libraries far below one 8-bit level.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Window = tuple[slice, slice]


class Part(IntEnum):
    """Stream numbers. Append only: a number that changes its meaning changes every portrait."""

    FACE = 0
    POSE = 1
    LIGHT = 2
    SKIN = 3
    EYES = 4
    BROWS = 5
    MOUTH = 6
    HAIR = 7
    STRANDS = 8
    BEARD = 9
    CLOTH = 10
    BACKDROP = 11
    GLASSES = 12
    PORES = 13
    LASHES = 14
    FOLDS = 15
    IRIS = 16
    FUZZ = 17


@dataclass(frozen=True)
class Streams:
    """Independent random streams of one portrait, one per part (and per octave of noise)."""

    seed: int
    index: int

    def part(self, part: Part, *branch: int) -> np.random.Generator:
        """A fresh generator for `part`; the same on every call."""
        sequence = np.random.SeedSequence([self.seed, self.index], spawn_key=(int(part), *branch))
        return np.random.Generator(np.random.PCG64(sequence))


@dataclass(frozen=True)
class Canvas:
    """A part of the square grid of `n` x `n` samples over the plane: `height` rows from `top`, and so on."""

    n: int
    top: int
    height: int
    left: int
    width: int

    @classmethod
    def whole(cls, n: int) -> Canvas:
        """The whole frame."""
        return cls(n, 0, n, 0, n)

    @property
    def pixel(self) -> float:
        """Width of one sample in plane units."""
        return 2.0 / self.n

    @property
    def shape(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width

    def axes(self) -> tuple[Array, Array]:
        """x as (1, width) and y as (height, 1): sample centres."""
        x = (np.arange(self.left, self.left + self.width) + 0.5) * self.pixel - 1.0
        y = (np.arange(self.top, self.top + self.height) + 0.5) * self.pixel - 1.0
        return np.asarray(x[None, :], dtype=np.float64), np.asarray(y[:, None], dtype=np.float64)

    def window(self, x: float, y: float, rx: float, ry: float) -> Window:
        """Slices (rows, columns) of the box of half-sizes `rx`, `ry` around (x, y), cut at the canvas."""
        rows = _span(y - ry, y + ry, 0.5 * self.n, self.top, self.height)
        return rows, _span(x - rx, x + rx, 0.5 * self.n, self.left, self.width)

    def crop(self, window: Window) -> Canvas:
        """The canvas of a window."""
        rows, columns = window
        height, width = rows.stop - rows.start, columns.stop - columns.start
        return Canvas(self.n, self.top + rows.start, height, self.left + columns.start, width)

    def cover(self, distance: Array) -> Array:
        """Share of each sample that lies inside an edge, from the signed distance to it (positive inside)."""
        return clamp(0.5 + distance * (1.0 / self.pixel), 0.0, 1.0)

    def resolves(self, period: float) -> float:
        """How much of a pattern of this period survives on the final grid: 0 below 2 pixels, 1 above 4."""
        return min(max(period / (4.0 * self.pixel) - 0.5, 0.0), 1.0)


def _span(low: float, high: float, scale: float, first: int, count: int) -> slice:
    start = min(max(0, int((low + 1.0) * scale) - first), count)
    return slice(start, min(max(start, int((high + 1.0) * scale) + 1 - first), count))


def clamp(value: Array, low: float, high: float) -> Array:
    """`value` kept within [low, high]."""
    return np.asarray(value.clip(low, high))


def smoothstep(low: float, high: float, value: Array) -> Array:
    """0 below `low`, 1 above `high`, smooth between; `low` may exceed `high`."""
    t = clamp((value - low) * (1.0 / (high - low)), 0.0, 1.0)
    return np.asarray(t * t * (3.0 - 2.0 * t))


def ripple(turns: Array) -> Array:
    """A wave like sin(2 pi turns), within 6 %, of parabolas: same bits everywhere, ten times as fast."""
    u = turns - np.rint(turns)
    return np.asarray(8.0 * u * (1.0 - 2.0 * np.abs(u)))


def norm(x: Array, y: Array) -> Array:
    """sqrt(x^2 + y^2); np.hypot guards against overflow and is several times slower."""
    return np.asarray(np.sqrt(x * x + y * y))


def bump(dx: Array, dy: Array, rx: float, ry: float) -> Array:
    """A smooth hill of height 1 that reaches 0 on the ellipse of half-axes `rx`, `ry`."""
    hill = np.maximum(0.0, 1.0 - (dx / rx) ** 2 - (dy / ry) ** 2)
    return hill * hill


def blend(image: Array, colour: Array, alpha: Array) -> None:
    """Lay `colour` (3,), (3, 1, 1) or (3, h, w) over `image` (3, h, w) in place."""
    layer = colour[:, None, None] if colour.ndim == 1 else colour
    image += alpha * (layer - image)


def linear(*srgb: float) -> Array:
    """Linear-light colour (3,) of an 8-bit sRGB triple."""
    return np.asarray((np.asarray(srgb, dtype=np.float64) / 255.0) ** 2.2)


@lru_cache(maxsize=64)
def spline_matrix(cells: int, n: int) -> Array:
    """Read-only cubic B-spline weights (n, cells + 3) from `cells` across the frame to `n` samples."""
    position = (np.arange(n) + 0.5) / n * cells
    left = np.minimum(position.astype(int), cells - 1)
    f = position - left
    weights = (1 - f) ** 3, 3 * f**3 - 6 * f**2 + 4, -3 * f**3 + 3 * f**2 + 3 * f + 1, f**3
    matrix = np.zeros((n, cells + 3))
    for k, weight in enumerate(weights):
        matrix[np.arange(n), left + k] = weight / 6.0
    matrix.setflags(write=False)
    return matrix


def lattice_noise(rng: np.random.Generator, cells: int, canvas: Canvas) -> Array:
    """Smooth noise over the canvas, of about unit spread, with `cells` cells across the frame."""
    matrix = spline_matrix(cells, canvas.n)
    rows = matrix[canvas.top : canvas.top + canvas.height]
    columns = matrix[canvas.left : canvas.left + canvas.width]
    return np.asarray(2.0 * rows @ rng.standard_normal((cells + 3, cells + 3)) @ columns.T)


def fractal_noise(streams: Streams, part: Part, canvas: Canvas, octaves: dict[int, float]) -> Array:
    """Sum of octaves, given as {cells across the frame: weight}; what the canvas cannot hold is left out.

    Octaves are drawn coarse to fine from one stream, so that a larger canvas only adds detail.
    """
    rng = streams.part(part)
    total = np.zeros(canvas.shape)
    for cells, weight in octaves.items():
        if 2 * cells <= canvas.n:
            total += weight * lattice_noise(rng, cells, canvas)
    return total
