"""Sliced Wasserstein distance between image patches, scale by scale (Karras et al. 2018, section 5).

It compares the texture statistics of two sets of images, needs no network and no weights, and works for a
few dozen images of 64 pixels.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.metrics.base import Image, check_pair, finite
from bench.metrics.pyramid import laplacian_pyramid

Patches: TypeAlias = NDArray[np.float32]
"""(n, 3, 7, 7)."""

Points: TypeAlias = NDArray[np.float32]
"""(n, D)."""

PATCH = 7  # pixels a side
PATCHES_PER_IMAGE = 128
DIRECTIONS = 512
COARSEST = 16  # pixels on the shorter side of the last level
MAX_PATCHES = 1 << 17  # per level and set: 77 MB; larger sets take fewer patches from each image
SORTED_AT_ONCE = 32  # directions: the projections of MAX_PATCHES patches on them take 16 MB


@dataclass(frozen=True)
class Swd:
    """`swd`: mean over the pyramid's levels, times 1000; at least 16 pixels a side, one size.

    Restored and gt images come in pairs and give patches at the same places, which depend on the gt image
    alone. Karras et al. draw the places of both sets independently; ours has less noise, is zero for equal
    sets, compares methods on the same patches and does not depend on the order of the pairs.
    """

    seed: int = 0
    name: str = "swd"
    higher_is_better: bool = False

    @property
    def protocol(self) -> str:
        patches = f"{PATCH}x{PATCH}-paired/{DIRECTIONS}dirs/seed{self.seed}"
        return f"swd/laplacian>={COARSEST}px/{patches}/rgb/8bit/x1e3/v1"

    def protocol_for(self, n: int) -> str:
        return f"{self.protocol}/patches={patches_per_image(n)}/N={n}"

    def score(self, restored: Iterable[Image], gt: Iterable[Image]) -> float:
        return finite(self.name, 1e3 * float(np.mean(self.by_level(restored, gt))))

    def by_level(self, restored: Iterable[Image], gt: Iterable[Image]) -> list[float]:
        """The distance at each level, finest first, not scaled. Raises DataError as `score` does."""
        levels = _collect(_checked(self.name, restored, gt), self.seed)
        return [
            sliced_wasserstein(normalised(x), normalised(y), directions(self.seed, level))
            for level, (x, y) in enumerate(levels)
        ]


def patches_per_image(n: int) -> int:
    """Patches that each of `n` images gives per level: 128, halved until all of them fit MAX_PATCHES."""
    count = PATCHES_PER_IMAGE
    while n * count > MAX_PATCHES and count > 1:
        count //= 2
    return count


def image_patches(image: Image, gt: Image, seed: int) -> list[Patches]:
    """128 patches of each level of `image`, at random places that depend on `gt` alone."""
    levels = laplacian_pyramid(image, COARSEST)
    content = zlib.crc32(gt.tobytes())
    return [_cut(level, np.random.default_rng([seed, index, content])) for index, level in enumerate(levels)]


def directions(seed: int, level: int) -> Points:
    """512 random unit vectors in patch space, shape (512, 147)."""
    rng = np.random.default_rng([seed, level])
    vectors = rng.standard_normal((DIRECTIONS, 3 * PATCH * PATCH)).astype(np.float32)
    unit: Points = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit


def normalised(patches: Patches) -> Points:
    """Patches with mean 0 and deviation 1 in each channel over the whole set, flattened to (n, 147)."""
    mean = patches.mean(axis=(0, 2, 3), dtype=np.float64, keepdims=True)
    deviation = patches.std(axis=(0, 2, 3), dtype=np.float64, keepdims=True)
    # A channel without any variation is zero once centred, whatever it is divided by.
    scale = np.where(deviation > 0, deviation, 1)
    centred: Patches = (patches - mean.astype(np.float32)) / scale.astype(np.float32)
    return centred.reshape(len(patches), -1)


def sliced_wasserstein(x: Points, y: Points, unit_vectors: Points) -> float:
    """Mean over `unit_vectors` of the 1-D Wasserstein distance between two sets of n points each."""
    total = 0.0
    for start in range(0, len(unit_vectors), SORTED_AT_ONCE):
        chunk = unit_vectors[start : start + SORTED_AT_ONCE]
        gaps = np.abs(np.sort(chunk @ x.T, axis=1) - np.sort(chunk @ y.T, axis=1))
        total += float(gaps.sum(dtype=np.float64))
    return total / (len(unit_vectors) * len(x))


def _cut(level: NDArray[np.float32], rng: np.random.Generator) -> Patches:
    windows = np.lib.stride_tricks.sliding_window_view(level, (PATCH, PATCH), axis=(0, 1))
    rows = rng.integers(0, windows.shape[0], PATCHES_PER_IMAGE)
    columns = rng.integers(0, windows.shape[1], PATCHES_PER_IMAGE)
    patches: Patches = windows[rows, columns]
    return patches


def _collect(pairs: Iterator[tuple[Image, Image]], seed: int) -> Iterator[tuple[Patches, Patches]]:
    """Patches of both sets, level by level."""
    sets: tuple[list[list[Patches]], list[list[Patches]]] = ([], [])
    keep = PATCHES_PER_IMAGE
    for n, (restored, gt) in enumerate(pairs, start=1):
        for kept, image in zip(sets, (restored, gt), strict=True):
            kept.append(_first(keep, image_patches(image, gt, seed)))
        if patches_per_image(n) < keep:
            keep = patches_per_image(n)
            for kept in sets:
                kept[:] = [_first(keep, patches) for patches in kept]
    for restored_level, gt_level in zip(*(zip(*kept, strict=True) for kept in sets), strict=True):
        yield np.concatenate(restored_level), np.concatenate(gt_level)


def _first(count: int, levels: list[Patches]) -> list[Patches]:
    """The first patches of each level, which are as random as the rest; copied, so that the rest is freed."""
    return [patches[:count].copy() for patches in levels]


def _checked(name: str, restored: Iterable[Image], gt: Iterable[Image]) -> Iterator[tuple[Image, Image]]:
    """Pairs in step. Raises DataError on unequal counts, none, small images or images of several sizes."""
    first: tuple[int, ...] = ()
    references = iter(gt)
    for index, image in enumerate(restored):
        reference = next(references, None)
        if reference is None:
            raise DataError(f"{name}: only {index} gt images for more restored ones; they must come in pairs")
        check_pair(name, image, reference)
        first = first or image.shape
        if image.shape != first or min(first[:2]) < COARSEST:
            raise DataError(
                f"{name}: needs one size of {COARSEST} or more pixels a side, got {first[0]}x{first[1]} and, "
                f"at index {index}, {image.shape[0]}x{image.shape[1]} (HxW)"
            )
        yield image, reference
    if not first or next(references, None) is not None:
        raise DataError(f"{name}: fewer restored than gt images, or none; they must come in pairs")
