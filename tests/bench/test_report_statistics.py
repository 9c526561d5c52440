"""Estimates against NumPy and SciPy, marks, and the Pareto front."""

from __future__ import annotations

from math import inf, nan

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.report.model import COLUMNS
from bench.report.statistics import (
    Estimate,
    bootstrap_intervals,
    bootstrap_means,
    collect_samples,
    estimate_rows,
    pareto,
    percentile_interval,
    rank,
)


def frame(values: dict[tuple[int, str], float], method: str = "a", metric: str = "psnr") -> pd.DataFrame:
    rows = [
        ("r", "test", method, "", seed, image, metric, value, f"key{seed}") for (seed, image), value in values.items()
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def estimate_one(values: dict[tuple[int, str], float]) -> Estimate:
    return estimate_rows(frame(values))["a", "psnr"]


def test_bootstrap_interval_agrees_with_scipy() -> None:
    values = np.random.default_rng(3).gamma(2.0, 2.0, size=60)
    low, high = percentile_interval(bootstrap_means(values[None], np.random.default_rng(0), resamples=20_000))
    reference = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    assert low == pytest.approx(reference.low, abs=0.03)
    assert high == pytest.approx(reference.high, abs=0.03)
    # The central limit theorem: a normal interval of the same width, within Monte Carlo and skewness error.
    assert high - low == pytest.approx(2 * 1.96 * values.std() / np.sqrt(60), rel=0.05)


def test_bootstrap_means_are_those_of_the_drawn_images_whatever_the_step(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.array([[1.0, 2.0, 5.0, 9.0], [3.0, 1.0, 0.0, 2.0]])
    draws = np.random.default_rng(11).integers(4, size=(2000, 4))
    expected = [[np.mean([row[i] for i in draw]) for row in values] for draw in draws]
    assert bootstrap_means(values, np.random.default_rng(11)) == pytest.approx(np.array(expected), abs=1e-12)
    monkeypatch.setattr("bench.report.statistics.DRAWS_AT_ONCE", 30)
    assert bootstrap_means(values, np.random.default_rng(11)) == pytest.approx(np.array(expected), abs=1e-12)


def test_intervals_of_equal_length_share_their_resamples() -> None:
    values = np.random.default_rng(2).normal(size=12)
    found = bootstrap_intervals({"a": values, "b": values + 1, "one": values[:1], "inf": np.array([1.0, inf])})
    assert set(found) == {"a", "b"}
    assert np.subtract(found["b"], found["a"]) == pytest.approx(np.ones(2), abs=1e-12)
    assert found["a"] == pytest.approx(percentile_interval(bootstrap_means(values[None], np.random.default_rng(0))))


def test_seeds_are_averaged_per_image_and_spread_is_between_seed_means() -> None:
    found = estimate_one({(1, "x"): 20.0, (1, "y"): 24.0, (2, "x"): 22.0, (2, "y"): 26.0})
    assert found.value == 23.0
    assert found.spread == pytest.approx(np.std([22.0, 24.0], ddof=1))
    assert found.seeds == (1, 2)
    assert found.images == 2
    assert found.keys == ("key1", "key2")
    assert found.interval is not None
    # Two images of mean 21 and 25: no resample leaves that range, though single values do.
    assert found.interval == (21.0, 25.0)


def test_estimates_do_not_depend_on_the_order_of_rows() -> None:
    rng = np.random.default_rng(0)
    rows = frame({(seed, f"i{n}"): float(rng.normal()) for seed in (3, 1) for n in range(30)})
    assert estimate_rows(rows) == estimate_rows(rows.sample(frac=1, random_state=5))


def test_one_image_has_no_interval() -> None:
    found = estimate_one({(1, "x"): 20.0})
    assert (found.value, found.interval, found.spread, found.images) == (20.0, None, None, 1)


def test_set_metric_has_no_interval_but_a_spread() -> None:
    found = estimate_one({(1, ""): 8.0, (2, ""): 10.0})
    assert (found.value, found.interval, found.images) == (9.0, None, 0)
    assert found.spread == pytest.approx(2**0.5)


def test_infinite_values_are_counted_and_the_finite_mean_is_kept() -> None:
    found = estimate_one({(1, "x"): inf, (1, "y"): 30.0, (1, "z"): 40.0})
    assert (found.value, found.finite, found.infinite, found.interval) == (inf, 35.0, 1, None)
    every = estimate_one({(1, "x"): inf, (1, "y"): inf})
    assert (every.value, every.finite, every.infinite) == (inf, None, 2)


def test_missing_values_shrink_the_image_count() -> None:
    found = estimate_one({(1, "x"): nan, (1, "y"): 30.0, (2, "x"): nan, (2, "y"): 32.0, (2, "z"): 40.0})
    assert (found.value, found.images) == (35.5, 2)
    assert estimate_rows(frame({(1, "x"): nan})) == {}


def test_a_value_given_twice_is_an_error() -> None:
    rows = frame({(1, "x"): 20.0})
    with pytest.raises(ValueError, match="method 'a', metric 'psnr', seed 1, image 'x' occurs twice"):
        collect_samples(pd.concat([rows, rows]))


def test_rank_marks_best_and_second_by_direction() -> None:
    values = {"a": 30.0, "b": 29.0, "c": 28.0}
    assert rank(values, "up", 2) == {"a": "best", "b": "second"}
    assert rank(values, "down", 2) == {"c": "best", "b": "second"}


def test_rank_judges_what_is_printed() -> None:
    assert rank({"a": 0.312, "b": 0.308, "c": 0.5}, "down", 2) == {"a": "best", "b": "best"}
    assert rank({"a": 0.1, "b": 0.312, "c": 0.308}, "down", 2) == {"a": "best", "b": "second", "c": "second"}
    assert rank({"a": inf, "b": inf, "c": 30.0}, "up", 2) == {"a": "best", "b": "best"}


def test_a_lone_value_is_not_the_best() -> None:
    assert rank({"a": 30.0}, "up", 2) == {}
    assert rank({}, "up", 2) == {}


def test_pareto_front_agrees_with_the_definition() -> None:
    rng = np.random.default_rng(8)
    points = {i: (float(x), float(y)) for i, (x, y) in enumerate(rng.normal(size=(40, 2)))}

    def dominated(i: int) -> bool:
        x, y = points[i]
        return any(j != i and points[j][0] >= x and points[j][1] <= y for j in points)

    front = pareto(points, ("up", "down"))
    assert set(front) == {i for i in points if not dominated(i)}
    assert [points[i][0] for i in front] == sorted((points[i][0] for i in front), reverse=True)
