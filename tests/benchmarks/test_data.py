"""What the loaders of 8 GPUs need, from what one costs."""

from __future__ import annotations

import pytest

from benchmarks.data import GPUS, PATCHES, RECIPES, WHOLE, plan


def test_loaders_are_what_is_asked_for_by_what_it_costs() -> None:
    rows = plan({"png": {WHOLE: 20.0, PATCHES: 10.0}}, {"png": 400_000.0})
    assert [row["recipe"] for row in rows[::2]] == [recipe.name for recipe in RECIPES]
    nafnet, faster = rows[:2]
    images = GPUS / (3 * 0.0452 / 4)  # a patch is a quarter of the image that the paper's time is for
    assert nafnet["images/s"] == round(images)
    assert faster["images/s"] == round(4 * images)
    assert nafnet["PNG MB/s"] == pytest.approx(0.4 * images, abs=0.05)
    assert nafnet["loaders per GPU, PNG"] == pytest.approx(images * 0.010 / GPUS, abs=0.005)
