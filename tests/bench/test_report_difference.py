"""Paired differences against SciPy's permutation test, a hand-written Holm, and cases that are known on paper."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import stats

from bench.report.difference import Difference, paired_differences
from bench.report.model import COLUMNS, Family, MethodInfo, MetricInfo, Report
from bench.report.significance import holm, sign_flip_test

PSNR = MetricInfo("psnr", "PSNR", "up", 2, "psnr/rgb")
FID = MetricInfo("fid", "FID", "down", 2, "fid/inception")


def scipy_p(differences: NDArray[np.float64], resamples: int = 10_000) -> float:
    found = stats.permutation_test((differences,), np.mean, permutation_type="samples", vectorized=True,
                                   n_resamples=resamples, rng=np.random.default_rng(5))  # fmt: skip
    return float(found.pvalue)


@pytest.mark.parametrize("images", [2, 5, 9, 13])
@pytest.mark.parametrize("shift", [0.0, 0.4, 3.0])
def test_small_sets_equal_scipys_exact_test(images: int, shift: float) -> None:
    differences = np.random.default_rng(images).normal(shift, size=images)
    [p] = sign_flip_test([differences])
    assert p == pytest.approx(scipy_p(differences), abs=1e-12)


def test_ties_count_as_extreme_whatever_the_order_of_summation() -> None:
    differences = np.array([0.1, 0.2, 0.3, -0.3, 0.1, 0.7, -0.2])
    [p] = sign_flip_test([differences])
    assert p == pytest.approx(scipy_p(differences), abs=1e-12)
    assert sign_flip_test([np.zeros(5), np.zeros(100)[:5]]) == [1.0, 1.0]


@pytest.mark.parametrize("shift", [0.0, 0.15, 0.3])
def test_large_sets_agree_with_scipy_within_monte_carlo_error(shift: float) -> None:
    differences = np.random.default_rng(1).normal(shift, size=60)
    [p] = sign_flip_test([differences])
    expected = scipy_p(differences)
    assert p == pytest.approx(expected, abs=5 * np.sqrt(2 * expected * (1 - expected) / 10_000) + 1e-4)


def test_the_smallest_p_counts_the_data_among_its_own_permutations() -> None:
    assert sign_flip_test([np.ones(50)]) == [1 / 10_001]
    assert sign_flip_test([np.ones(5)]) == [2 / 2**5]


def test_a_missing_pair_changes_nothing() -> None:
    differences = np.random.default_rng(4).normal(0.5, size=6)
    padded = np.concatenate([differences, np.full(4, nan)])
    assert sign_flip_test([padded]) == sign_flip_test([differences])


def test_p_is_uniform_where_methods_are_exchangeable() -> None:
    rng = np.random.default_rng(0)
    p = np.array(sign_flip_test(list(rng.normal(size=(400, 30)))))
    assert abs(np.mean(p < 0.05) - 0.05) < 0.035
    assert stats.kstest(p, "uniform").pvalue > 0.01


def test_p_depends_on_no_step_and_no_other_row(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = list(np.random.default_rng(2).normal(0.2, size=(3, 40)))
    together = sign_flip_test(rows)
    monkeypatch.setattr("bench.report.significance.FLIPS_AT_ONCE", 1000)
    assert [sign_flip_test([row])[0] for row in rows] == together


def test_holm_is_the_step_down_of_his_paper() -> None:
    """By hand: 4 x 0.01, 3 x 0.015, then 2 x 0.02 = 0.04 is raised to 0.045, and 1 x 0.6."""
    adjusted = holm({"a": 0.02, "b": 0.01, "c": 0.6, "d": 0.015})
    assert adjusted == pytest.approx({"b": 0.04, "d": 0.045, "a": 0.045, "c": 0.6})
    assert holm({"a": 0.5, "b": 0.6}) == {"a": 1.0, "b": 1.0}
    assert holm({}) == {}


def test_holm_rejects_what_stepping_down_rejects() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        p = {i: float(value) for i, value in enumerate(rng.beta(0.3, 1, size=6))}
        rejected = set()
        for k, key in enumerate(sorted(p, key=lambda name: p[name])):
            if p[key] > 0.05 / (len(p) - k):
                break
            rejected.add(key)
        assert {key for key, value in holm(p).items() if value <= 0.05 * (1 + 1e-12)} == rejected


def make_report(
    values: dict[str, list[float]], methods: tuple[MethodInfo, ...] | None = None, metric: MetricInfo = PSNR,
    baseline: str | None = "base", seeds: tuple[int, ...] = (1,),
) -> Report:  # fmt: skip
    """Image i of method m with seed s has `values[m][i] + s`; of a set metric there is the one image ""."""
    names = [""] if metric is FID else [f"i{n}" for n in range(max(map(len, values.values())))]
    rows = [
        ("r", "test", label, "", seed, image, metric.name, value + seed, "k")
        for label, column in values.items() for seed in seeds for image, value in zip(names, column, strict=False)
    ]  # fmt: skip
    described = methods or tuple(MethodInfo(label, "hybrid") for label in values)
    return Report("x", pd.DataFrame(rows, columns=list(COLUMNS)), (metric,), described, baseline=baseline)


def test_differences_are_paired_over_the_images_that_both_have() -> None:
    report = make_report({"base": [1.0, 2.0, 3.0, nan], "a": [2.0, 2.5, nan, 9.0]})
    [(name, found)] = paired_differences(report).items()
    assert name == ("a", "psnr")
    assert (found.base, found.value, found.images) == ("base", 0.75, 2)
    assert found.interval == (0.5, 1.0)
    assert found.p == found.adjusted == 0.5


def test_seeds_are_averaged_first() -> None:
    report = make_report({"base": [1.0, 2.0], "a": [2.0, 2.5]}, seeds=(1, 2, 3))
    one = make_report({"base": [1.0, 2.0], "a": [2.0, 2.5]})
    assert paired_differences(report) == paired_differences(one)


def test_pairing_sees_what_intervals_of_the_means_hide() -> None:
    """Images differ by far more than methods do: unpaired intervals overlap, the paired test is sure."""
    rng = np.random.default_rng(0)
    difficulty = rng.normal(25, 5, size=40)
    better = difficulty + rng.normal(0.3, 0.2, size=40)
    found = paired_differences(make_report({"base": list(difficulty), "a": list(better)}))["a", "psnr"]
    assert found.interval is not None
    assert 0.2 < found.interval[0] < found.value < found.interval[1] < 0.5
    assert found.p == 1 / 10_001


def test_variants_are_compared_with_their_base_and_rows_with_the_baseline() -> None:
    methods = (
        MethodInfo("base", "regression"), MethodInfo("ours", "hybrid"),
        MethodInfo("ours: w/o", "hybrid", base="ours", variant="w/o"), MethodInfo("dead", "hybrid", reason="diverged"),
    )  # fmt: skip
    values = {"base": [1.0, 2.0], "ours": [3.0, 5.0], "ours: w/o": [2.0, 4.0]}
    found = paired_differences(make_report(values, methods))
    assert {name[0]: (d.base, d.value) for name, d in found.items()} == {
        "ours": ("base", 2.5), "ours: w/o": ("ours", -1.0),
    }  # fmt: skip
    alone = paired_differences(make_report(values, methods, baseline=None))
    assert set(alone) == {("ours: w/o", "psnr")}
    assert paired_differences(make_report(values, methods, baseline="dead")).keys() == alone.keys()


def test_holm_counts_the_candidates_of_a_column_and_not_the_input() -> None:
    families: dict[str, Family] = {"base": "regression", "in": "input", "a": "hybrid", "b": "hybrid"}
    rng = np.random.default_rng(1)
    values = {label: list(rng.normal(size=9)) for label in families}
    found = paired_differences(make_report(values, tuple(MethodInfo(k, v) for k, v in families.items())))
    assert found["in", "psnr"].interval is not None
    assert (found["in", "psnr"].p, found["in", "psnr"].adjusted) == (None, None)
    p = {label: found[label, "psnr"].p for label in ("a", "b")}
    assert {label: found[label, "psnr"].adjusted for label in p} == holm({k: v for k, v in p.items() if v is not None})


def test_of_a_set_metric_only_the_difference_is_known() -> None:
    found = paired_differences(make_report({"base": [40.0], "a": [35.0]}, metric=FID, seeds=(1, 2)))
    assert found == {("a", "fid"): Difference("base", -5.0)}


def test_infinite_values_have_no_difference() -> None:
    """PSNR of an image that is restored without any error: inf - inf and inf - 30 are no numbers to average."""
    report = make_report({"base": [inf, inf, 30.0, 31.0], "a": [inf, 30.0, inf, 33.0]})
    found = paired_differences(report)["a", "psnr"]
    assert (found.value, found.images, found.interval) == (2.0, 1, None)
    assert paired_differences(make_report({"base": [inf], "a": [1.0]})) == {}
