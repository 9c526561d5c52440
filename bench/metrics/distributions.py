"""FID and KID: distances between two sets of images in the space of a feature extractor, in float64."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.errors import DataError
from bench.metrics.base import Image, finite
from bench.metrics.features import Features

Matrix = NDArray[np.float64]

KID_SUBSETS, KID_SUBSET_SIZE, KID_SEED = 100, 1000, 2020  # torch-fidelity's defaults


@dataclass(frozen=True)
class Fid:
    """Fréchet distance between the Gaussians of both feature sets (Heusel et al. 2017)."""

    features: Features
    name: str = "fid"
    higher_is_better: bool = False

    @property
    def protocol(self) -> str:
        return f"fid/{self.features.protocol}/ref=gt/rgb/8bit/v1"

    def protocol_for(self, n: int) -> str:
        return f"{self.protocol}/N={n}"

    def score(self, restored: Iterable[Image], gt: Iterable[Image]) -> float:
        return finite(self.name, frechet_distance(self.features(restored), self.features(gt)))


@dataclass(frozen=True)
class Kid:
    """Unbiased squared MMD of both feature sets (Bińkowski et al. 2018), not scaled; may fall below zero."""

    features: Features
    name: str = "kid"
    higher_is_better: bool = False

    @property
    def protocol(self) -> str:
        return f"kid/{self.features.protocol}/poly3/ref=gt/rgb/8bit/v1"

    def protocol_for(self, n: int) -> str:
        subsets = 1 if n <= KID_SUBSET_SIZE else KID_SUBSETS
        return f"{self.protocol}/subsets={subsets}x{min(n, KID_SUBSET_SIZE)}/N={n}"

    def score(self, restored: Iterable[Image], gt: Iterable[Image]) -> float:
        return finite(self.name, kernel_distance(self.features(restored), self.features(gt)))


def frechet_distance(x: Matrix, y: Matrix) -> float:
    """|mean x - mean y|^2 + tr(Sx + Sy - 2 (Sx Sy)^1/2) of feature sets (N, D) and (M, D).

    The trace of the root comes from eigenvalues or singular values: no matrix square root is ever formed,
    which takes minutes in SciPy and turns complex for near-singular covariances.
    """
    _check(x, y)
    shift = x.mean(axis=0) - y.mean(axis=0)
    a, b = _centred(x), _centred(y)
    spread = np.sum(a * a) + np.sum(b * b)
    # Rounding may leave equal sets a hair below zero, which the distance never is.
    return max(0.0, float(shift @ shift + spread - 2 * _trace_of_root(a, b)))


def kernel_distance(x: Matrix, y: Matrix, subsets: int = KID_SUBSETS, size: int = KID_SUBSET_SIZE) -> float:
    """Mean over random subsets of the unbiased MMD^2 under the kernel (x.y / D + 1)^3.

    Sets no larger than `size` are compared whole, once. Larger ones are drawn as torch-fidelity draws them,
    from the same seed, so that its published numbers can be met.
    """
    _check(x, y)
    size = min(size, len(x), len(y))
    if size == len(x) == len(y):
        return _mmd2(x, y)
    rng = np.random.RandomState(KID_SEED)
    draws = [[rng.choice(len(rows), size, replace=False) for rows in (x, y)] for _ in range(subsets)]
    return float(np.mean([_mmd2(x[i], y[j]) for i, j in draws]))


def _centred(x: Matrix) -> Matrix:
    """Rows without their mean, scaled so that a.T @ a is the covariance."""
    centred: Matrix = (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)
    return centred


def _trace_of_root(a: Matrix, b: Matrix) -> float:
    """tr (aᵀa bᵀb)^1/2, which is the sum of the singular values of a bᵀ."""
    rows, dimension = min(len(a), len(b)), a.shape[1]
    # Centred rows have rank rows - 1 at most: up to here a covariance is singular, its root ill-conditioned.
    if rows <= dimension:
        return float(np.linalg.svd(a @ b.T, compute_uv=False).sum())
    factor = _factor(a.T @ a)
    return float(np.sqrt(np.clip(np.linalg.eigvalsh(factor.T @ (b.T @ b) @ factor), 0, None)).sum())


def _factor(covariance: Matrix) -> Matrix:
    """F with F @ F.T = covariance: by Cholesky, or by eigenvectors where dead features make it singular."""
    try:
        return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
    except np.linalg.LinAlgError:
        values, vectors = np.linalg.eigh(covariance)
        return np.asarray(vectors * np.sqrt(np.clip(values, 0, None)), dtype=np.float64)


def _mmd2(x: Matrix, y: Matrix) -> float:
    n = len(x)
    within = sum(kernel.sum() - np.trace(kernel) for kernel in (_kernel(x, x), _kernel(y, y)))
    return float(within / (n * (n - 1)) - 2 * _kernel(x, y).mean())


def _kernel(x: Matrix, y: Matrix) -> Matrix:
    kernel: Matrix = (x @ y.T / x.shape[1] + 1) ** 3
    return kernel


def _check(x: Matrix, y: Matrix) -> None:
    if x.shape[1] != y.shape[1]:
        raise DataError(f"feature sets of different width: {x.shape[1]} and {y.shape[1]}")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError("features are not finite: the extractor overflowed or its weights are damaged")
    if min(len(x), len(y)) < 2:
        raise DataError(f"needs at least two images in each set, got {len(x)} restored and {len(y)} gt")
