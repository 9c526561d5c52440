"""Whether differences over the same images could be chance: sign-flip permutation tests and Holm's correction."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

Key = TypeVar("Key")

ALPHA: Final = 0.05
"""Adjusted p-values below it are called significant."""

PERMUTATIONS: Final = 10_000
EXACT_IMAGES: Final = 13
"""Up to so many images, all 2^n sign flips are fewer than `PERMUTATIONS`."""

PERMUTATION_SEED: Final = 0
FLIPS_AT_ONCE: Final = 1 << 21
"""Of one step: 16 MB."""

ROUNDING: Final = 1e-12
"""Sums of the same numbers in another order differ by less, relative to the sum of their magnitudes."""


def sign_flip_test(differences: Sequence[NDArray[np.float64]], seed: int = PERMUTATION_SEED) -> list[float]:
    """Two-sided p-values of the means of k `differences` (n,) over the same images, NaN where one has no pair.

    Under the hypothesis that two methods are exchangeable on every image, the sign of each difference is a coin toss (Fisher
    1935). Exact up to `EXACT_IMAGES` images, else over `PERMUTATIONS` random flips, the data's own counted among them, so
    that p is never zero (Phipson and Smyth 2010). Without any pair p is 1.
    """
    if not differences:
        return []
    paired = np.nan_to_num(np.stack(differences))  # what is missing adds nothing, whatever its sign
    sums, rounding = paired.sum(axis=1), ROUNDING * np.abs(paired).sum(axis=1)
    extreme, total = np.zeros(len(paired)), 0
    for flipped in _flips(paired.shape[1], seed):
        extreme += (np.abs(sums - 2 * (flipped @ paired.T)) >= np.abs(sums) - rounding).sum(axis=0)
        total += len(flipped)
    own = 0 if _is_exact(paired.shape[1]) else 1
    return [float(p) for p in (extreme + own) / (total + own)]


def describe_test(images: int) -> str:
    """The test as a table's caption names it."""
    flips = f"all {2**images:,} sign flips" if _is_exact(images) else f"{PERMUTATIONS:,} random sign flips"
    return f"two-sided paired permutation test over {images} image{'s' if images > 1 else ''} ({flips})"


def holm(p: Mapping[Key, float]) -> dict[Key, float]:
    """Adjusted p-values: rejecting those below a level errs anywhere in the family at most at that level (Holm 1979)."""
    adjusted: dict[Key, float] = {}
    largest = 0.0
    for rank, key in enumerate(sorted(p, key=lambda name: p[name])):
        largest = max(largest, min(1.0, (len(p) - rank) * p[key]))
        adjusted[key] = largest
    return adjusted


def _is_exact(images: int) -> bool:
    return images <= EXACT_IMAGES


def _flips(images: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Which images change their sign (step, images), 0 or 1: all possibilities or `PERMUTATIONS` random ones, by and by."""
    if _is_exact(images):
        yield (np.arange(2**images)[:, None] >> np.arange(images) & 1).astype(np.float64)
        return
    rng = np.random.default_rng(seed)
    for first in range(0, PERMUTATIONS, step := max(1, FLIPS_AT_ONCE // images)):
        shape = (min(step, PERMUTATIONS - first), images)
        yield rng.integers(2, size=shape, dtype=np.int8).astype(np.float64)
