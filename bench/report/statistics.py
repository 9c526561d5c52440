"""Means, bootstrap intervals over images, spread over seeds, and who is best."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from bench.report.model import Direction

if TYPE_CHECKING:
    import pandas as pd

Interval: TypeAlias = tuple[float, float]
Mark: TypeAlias = Literal["best", "second"]
Key = TypeVar("Key", bound=Hashable)

RESAMPLES: Final = 2000
LEVEL: Final = 0.95
BOOTSTRAP_SEED: Final = 0
DRAWS_AT_ONCE: Final = 1 << 21
"""Of images, in all resamples of one step: 16 MB."""


@dataclass(frozen=True)
class Sample:
    """One method's values of one metric (seeds, images), NaN where there is none; `images` is sorted.

    A set metric has the single image "".
    """

    seeds: tuple[int, ...]
    images: tuple[str, ...]
    values: NDArray[np.float64]
    keys: tuple[str, ...]

    @property
    def of_set(self) -> bool:
        return self.images == ("",)

    def per_image(self) -> NDArray[np.float64]:
        """Means over seeds (images,), the unit of intervals and paired tests; NaN where there is none."""
        counts = np.sum(~np.isnan(self.values), axis=0)
        totals = np.nansum(self.values, axis=0)
        means = np.full(len(self.images), np.nan)
        np.divide(totals, counts, out=means, where=counts > 0)
        return means

    def present(self) -> NDArray[np.float64]:
        """`per_image` without the images that have no value."""
        means = self.per_image()
        return means[~np.isnan(means)]


@dataclass(frozen=True)
class Estimate:
    """A number of the table with what it rests on.

    `value` is the mean over images of the means over seeds; infinite when one image is (PSNR of identical
    images), and then `finite` is the mean of the others and `infinite` counts the images left out of it.
    `interval` is the 95 % bootstrap interval over images, None for set metrics, for a single image and for
    infinite means. `spread` is the standard deviation (n - 1) of the per-seed means, None for one seed.
    `images` is 0 for set metrics.
    """

    value: float
    interval: Interval | None = None
    spread: float | None = None
    images: int = 0
    seeds: tuple[int, ...] = ()
    keys: tuple[str, ...] = ()
    infinite: int = 0
    finite: float | None = None


Estimates: TypeAlias = Mapping[tuple[str, str], Estimate]
"""By (method label, metric name)."""


def collect_samples(rows: pd.DataFrame) -> dict[tuple[str, str], Sample]:
    """Samples by (method, metric). Raises ValueError when a (method, seed, image, metric) occurs twice."""
    parts = rows.groupby(["method", "metric"], sort=False)
    return {(str(method), str(metric)): _sample(part) for (method, metric), part in parts}


def _sample(part: pd.DataFrame) -> Sample:
    seeds, row = np.unique(part["seed"].to_numpy(dtype=np.int64), return_inverse=True)
    images, column = np.unique(part["image"].to_numpy(dtype=object), return_inverse=True)
    places = row * len(images) + column
    found, counts = np.unique(places, return_counts=True)
    if len(found) < len(places):
        twice = part.iloc[int(np.flatnonzero(places == found[counts > 1][0])[0])]
        where = (
            f"method {twice['method']!r}, metric {twice['metric']!r}, seed {twice['seed']}, image {twice['image']!r}"
        )
        raise ValueError(f"rows: {where} occurs twice")
    values = np.full(len(seeds) * len(images), np.nan)
    values[places] = part["value"].to_numpy(dtype=np.float64)
    keys = tuple(sorted({str(key) for key in part["key"].unique()}))
    names = tuple(str(image) for image in images)
    return Sample(tuple(seeds.tolist()), names, values.reshape(len(seeds), len(images)), keys)


def bootstrap_means(
    values: NDArray[np.float64], rng: np.random.Generator, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Means (resamples, k) of the rows of `values` (k, n), finite, each resample drawing the same images for every row."""
    n = values.shape[1]
    means = []
    for first in range(0, resamples, step := max(1, DRAWS_AT_ONCE // n)):
        count = min(step, resamples - first)
        draws = rng.integers(n, size=(count, n)) + n * np.arange(count)[:, None]
        # How often each image was drawn, times its values, is one matrix product for all rows.
        weights = np.bincount(draws.ravel(), minlength=count * n).reshape(count, n)
        means.append(weights @ values.T / n)
    return np.concatenate(means)


def percentile_interval(means: NDArray[np.float64], level: float = LEVEL) -> Interval:
    """The central `level` of resampled means (Efron 1979)."""
    tail = (1 - level) / 2
    low, high = np.quantile(means, [tail, 1 - tail])
    return float(low), float(high)


def resampled_means(
    samples: Mapping[Key, NDArray[np.float64]], seed: int = BOOTSTRAP_SEED
) -> dict[Key, NDArray[np.float64]]:
    """`bootstrap_means` of those `samples` (n,) with n >= 2 finite values, and no others.

    Samples of equal length share their resamples: their means are paired, and quick. Equal seeds give equal resamples.
    """
    lengths: dict[int, list[Key]] = {}
    for key, values in samples.items():
        if len(values) > 1 and np.isfinite(values).all():
            lengths.setdefault(len(values), []).append(key)
    means = {}
    for keys in lengths.values():
        columns = bootstrap_means(np.stack([samples[key] for key in keys]), np.random.default_rng(seed))
        means.update({key: columns[:, i] for i, key in enumerate(keys)})
    return means


def bootstrap_intervals(samples: Mapping[Key, NDArray[np.float64]]) -> dict[Key, Interval]:
    """95 % intervals of the means of `samples`, where `resampled_means` has any."""
    return {key: percentile_interval(means) for key, means in resampled_means(samples).items()}


def _estimate(sample: Sample, means: NDArray[np.float64], interval: Interval | None) -> Estimate:
    finite = means[np.isfinite(means)]
    exact = len(finite) == len(means)
    return Estimate(
        value=float(means.mean()),
        interval=interval,
        spread=_spread(sample.values),
        images=0 if sample.of_set else len(means),
        seeds=sample.seeds,
        keys=sample.keys,
        infinite=len(means) - len(finite),
        finite=float(finite.mean()) if len(finite) and not exact else None,
    )


def _spread(values: NDArray[np.float64]) -> float | None:
    per_seed = np.array([row[~np.isnan(row)].mean() for row in values if not np.isnan(row).all()])
    if len(per_seed) < 2 or not np.isfinite(per_seed).all():
        return None
    return float(per_seed.std(ddof=1))


def estimate_rows(rows: pd.DataFrame) -> dict[tuple[str, str], Estimate]:
    """Every cell that has a value, by (method, metric)."""
    return estimate_samples(collect_samples(rows))


def estimate_samples(samples: Mapping[tuple[str, str], Sample]) -> dict[tuple[str, str], Estimate]:
    """Of every sample that has a value."""
    means = {name: sample.present() for name, sample in samples.items()}
    intervals = bootstrap_intervals(means)
    return {name: _estimate(samples[name], found, intervals.get(name)) for name, found in means.items() if len(found)}


def rank(values: Mapping[Key, float], direction: Direction, decimals: int) -> dict[Key, Mark]:
    """Best and second best, judged at the printed precision: equal digits get equal marks.

    Two that share the first place leave no second; a lone value gets no mark, as it beats nobody.
    """
    if len(values) < 2:
        return {}
    sign = -1.0 if direction == "up" else 1.0
    costs = {key: sign * round(value, decimals) for key, value in values.items()}
    ordered = sorted(costs.values())
    marks: dict[Key, Mark] = {}
    for key, cost in costs.items():
        if cost == ordered[0]:
            marks[key] = "best"
        elif cost == ordered[1]:
            marks[key] = "second"
    return marks


def pareto(points: Mapping[Key, tuple[float, float]], directions: tuple[Direction, Direction]) -> list[Key]:
    """Keys of the points that no other point beats, ordered by the first coordinate, best first."""
    signs = [-1.0 if direction == "up" else 1.0 for direction in directions]
    costs = {key: (signs[0] * x, signs[1] * y) for key, (x, y) in points.items()}
    front: list[Key] = []
    lowest = np.inf
    for key in sorted(costs, key=lambda name: costs[name]):
        if costs[key][1] < lowest:
            front.append(key)
            lowest = costs[key][1]
    return front
