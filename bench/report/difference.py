"""What rows differ by from the row that they are compared with, image by image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.report.model import MethodInfo, Report
from bench.report.significance import ALPHA, holm, sign_flip_test
from bench.report.statistics import Interval, Sample, bootstrap_intervals, collect_samples


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

    @property
    def significant(self) -> bool:
        return self.adjusted is not None and self.adjusted < ALPHA


def base_of(method: MethodInfo, report: Report) -> str | None:
    """The row that `method` is compared with: what it is a variant of, else the report's baseline; None for that itself."""
    base = method.base if method.base is not None else report.baseline
    return None if base == method.label else base


def paired_differences(report: Report) -> dict[tuple[str, str], Difference]:
    """By (row label, metric name), each row against its base (`base_of`), over the images of which both have a finite value.

    Input rows are no candidates: they have no p-values and do not count in the correction of the others' p-values.
    """
    samples = collect_samples(report.rows)
    bases = {method.label: base for method in report.methods if (base := base_of(method, report)) is not None}
    tested = {method.label for method in report.methods if method.family != "input"}
    found = {}
    for metric in report.metrics:
        pairs = {
            label: (samples[label, metric.name], samples[base, metric.name])
            for label, base in bases.items()
            if (label, metric.name) in samples and (base, metric.name) in samples
        }
        column = compare_samples(pairs, bases, tested)
        found.update({(label, metric.name): difference for label, difference in column.items()})
    return found


def paired_values(sample: Sample, base: Sample, images: Sequence[str]) -> NDArray[np.float64]:
    """`sample` minus `base` (n,) at `images`, NaN where either has no value or an infinite one."""
    own, other = (dict(zip(s.images, s.per_image().tolist(), strict=True)) for s in (sample, base))
    with np.errstate(invalid="ignore"):
        differences = np.array([own.get(i, np.nan) for i in images]) - np.array([other.get(i, np.nan) for i in images])
    return np.where(np.isfinite(differences), differences, np.nan)


def compare_samples(
    pairs: Mapping[str, tuple[Sample, Sample]], bases: Mapping[str, str], tested: Set[str] = frozenset()
) -> dict[str, Difference]:
    """Differences of one metric by row label, first minus second of each pair; p-values of the rows in `tested`."""
    images = sorted({image for pair in pairs.values() for sample in pair for image in sample.images})
    values = {label: paired_values(*pair, images) for label, pair in pairs.items()}
    present = {label: row[~np.isnan(row)] for label, row in values.items() if not np.isnan(row).all()}
    if images == [""]:
        return {label: Difference(bases[label], float(row[0])) for label, row in present.items()}
    intervals = bootstrap_intervals(present)
    candidates = [label for label in present if label in tested]
    p = dict(zip(candidates, sign_flip_test([values[label] for label in candidates]), strict=True))
    adjusted = holm(p)
    return {
        label: Difference(
            bases[label], float(row.mean()), intervals.get(label), p.get(label), adjusted.get(label), len(row)
        )
        for label, row in present.items()
    }
