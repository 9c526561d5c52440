"""What a row differs by from the row that it is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from bench.report.statistics import Interval


@dataclass(frozen=True)
class Difference:
    """`value` is the mean over images of the paired difference (row minus `base`, each averaged over seeds first).

    `interval` is its 95 % bootstrap interval over images, `p` the two-sided p-value of a paired permutation test, `adjusted`
    the same after Holm's correction over the rows of one column. All three are None for metrics of a whole set, for which
    only the difference of the values is known. `images` counts the pairs.
    """

    base: str
    value: float
    interval: Interval | None = None
    p: float | None = None
    adjusted: float | None = None
    images: int = 0
