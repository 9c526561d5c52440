"""Kernels of camera shake."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

STEPS = 250
"""Moments at which the exposure is sampled."""

_TURN = 0.002
"""Standard deviation, in radians, of the change of the turning rate per step and axis: over an exposure the
direction changes by some radians, as in measured kernels of hand-held cameras."""

_REACH = (0.2, 1.0)
"""How far kernels reach from their centre, as a part of the canvas' radius: slight to strong shakes."""


@lru_cache(maxsize=8)
def kernel_bank(size: int, count: int, seed: int) -> NDArray[np.float32]:
    """`count` kernels (count, size, size), non-negative, of sum 1, the centroid of each on its centre pixel.

    A pure function of its arguments; read-only. Each kernel is the image of a point during an exposure: a
    camera moves at a velocity that random forces change ever less and that turns at a randomly walking rate
    in three dimensions, which the sensor sees without depth (after the camera random walk behind the kernels
    of Schmidt et al. and of Chen and Pock, with own constants). The slow parts of such a path are bright, as
    in real shakes; paths after Boracchi and Foi (2012) have uniform speed and look like scribbles at these
    sizes. Centring on the centroid keeps blurred and sharp images aligned, as Rim et al. do. UGPNet's own
    kernels are not released.
    """
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, size, count])))
    paths = _walk(count, rng)
    paths -= paths.mean(axis=1, keepdims=True)
    reach = np.abs(paths).max(axis=(1, 2)) / (rng.uniform(*_REACH, count) * (size // 2))
    kernels = _splat(paths / reach[:, None, None], size).astype(np.float32)
    kernels.setflags(write=False)
    return kernels


def _walk(count: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Positions (count, STEPS, 2) of points on the sensor, in an arbitrary unit."""
    from scipy.spatial.transform import Rotation

    paths = np.empty((count, STEPS, 2))
    position, turn = np.zeros((count, 2)), np.zeros((count, 3))
    velocity = rng.standard_normal((count, 3))
    for step in range(STEPS):
        velocity += rng.standard_normal((count, 3)) / (step + 1)
        turn += _TURN * rng.standard_normal((count, 3))
        velocity = Rotation.from_rotvec(turn).apply(velocity)
        position = position + velocity[:, :2]
        paths[:, step] = position
    return paths


def _splat(paths: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Equal weights at all positions, each shared bilinearly by four pixels: this keeps the centroid."""
    count = len(paths)
    # One more row and column: a point on the last pixel's centre gives its right neighbour a weight of zero.
    side = size + 1
    corner = np.floor(paths).astype(np.int64)
    part = paths - corner
    first = (corner + size // 2) @ np.array([1, side]) + (np.arange(count) * side * side)[:, None]
    kernels = np.zeros(count * side * side)
    for down in (0, 1):
        for right in (0, 1):
            weight = np.abs(1 - right - part[..., 0]) * np.abs(1 - down - part[..., 1])
            kernels += np.bincount((first + right + down * side).ravel(), weight.ravel(), kernels.size)
    canvases: NDArray[np.float64] = kernels.reshape(count, side, side)[:, :size, :size]
    return canvases / STEPS
