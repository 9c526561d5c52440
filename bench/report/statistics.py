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


@dataclass(frozen=True)
class Sample:
    """One method's values of one metric (seeds, images), NaN where there is none; `images` is sorted.

    A set metric has the single image "".
    """

    seeds: tuple[int, ...]
    images: tuple[str, ...]
    values: NDArray[np.float64]
    keys: tuple[str, ...]

    def per_image(self) -> NDArray[np.float64]:
        """Means over seeds (images,), the unit of intervals and paired tests; NaN where there is none."""
        counts = np.sum(~np.isnan(self.values), axis=0)
        totals = np.nansum(self.values, axis=0)
        means = np.full(len(self.images), np.nan)
        np.divide(totals, counts, out=means, where=counts > 0)
        return means


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
    cells: dict[tuple[str, str], dict[tuple[int, str], tuple[float, str]]] = {}
    names = ["method", "metric", "seed", "image", "value", "key"]
    for method, metric, seed, image, value, key in rows[names].itertuples(index=False, name=None):
        cell = cells.setdefault((str(method), str(metric)), {})
        place = (int(seed), str(image))
        if place in cell:
            raise ValueError(f"rows: method {method!r}, metric {metric!r}, seed {seed}, image {image!r} occurs twice")
        cell[place] = (float(value), str(key))
    return {name: _sample(cell) for name, cell in cells.items()}


def _sample(cell: Mapping[tuple[int, str], tuple[float, str]]) -> Sample:
    seeds = tuple(sorted({seed for seed, _ in cell}))
    images = tuple(sorted({image for _, image in cell}))
    values = np.array([[cell.get((seed, image), (np.nan, ""))[0] for image in images] for seed in seeds])
    return Sample(seeds, images, values, tuple(sorted({key for _, key in cell.values()})))


def bootstrap_interval(
    values: NDArray[np.float64], rng: np.random.Generator, resamples: int = RESAMPLES, level: float = LEVEL
) -> Interval:
    """Percentile bootstrap interval of the mean of `values` (n,), n >= 2 and finite (Efron 1979)."""
    draws = rng.integers(len(values), size=(resamples, len(values)))
    tail = (1 - level) / 2
    low, high = np.quantile(values[draws].mean(axis=1), [tail, 1 - tail])
    return float(low), float(high)


def estimate(sample: Sample, seed: int = BOOTSTRAP_SEED) -> Estimate | None:
    """None when every value is NaN. Equal `seed` and image count give equal, hence paired, resamples."""
    means = sample.per_image()
    means = means[~np.isnan(means)]
    if not len(means):
        return None
    finite = means[np.isfinite(means)]
    exact = len(finite) == len(means)
    whole_set = sample.images == ("",)
    bootstrap = exact and len(means) > 1
    return Estimate(
        value=float(means.mean()),
        interval=bootstrap_interval(finite, np.random.default_rng(seed)) if bootstrap else None,
        spread=_spread(sample.values),
        images=0 if whole_set else len(means),
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
    found = ((name, estimate(sample)) for name, sample in collect_samples(rows).items())
    return {name: value for name, value in found if value is not None}


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
