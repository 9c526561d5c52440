"""Operators one after the other, ending in what an 8-bit file can hold."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Annotated

import numpy as np
from pydantic import Field

from bench.degradations.operators import (
    Downsample,
    GaussianBlur,
    GaussianNoise,
    Image,
    Jpeg,
    MotionBlur,
    PoissonNoise,
)

VERSION = 1
"""Raise it when the same configuration and seed give other pixels."""

Operator = Annotated[
    MotionBlur | GaussianBlur | GaussianNoise | PoissonNoise | Downsample | Jpeg, Field(discriminator="op")
]


def degrade(image: Image, operators: Sequence[Operator], rng: np.random.Generator) -> Image:
    """The degraded image (H / s, W / s, 3), s = `total_scale`: float32 in [0, 1], multiples of 1/255.

    `image` is (H, W, 3) float32 in [0, 1]. Between operators values are neither clipped nor rounded; the end
    result is, because UGPNet (as BasicSR) is trained on degraded images stored as 8-bit files. Strong noise
    therefore is not zero-mean near black and white. Each operator draws from a child of its own of `rng`:
    changing the range of one leaves the draws of the others alone.
    """
    for operator, child in zip(operators, rng.spawn(len(operators)), strict=True):
        image = operator.apply(image, child)
    levels: Image = np.rint(np.clip(image, 0, 1) * np.float32(255)) / np.float32(255)
    return levels


def total_scale(operators: Sequence[Operator]) -> int:
    """How many times smaller the result is: the product of all down-sampling scales, else 1."""
    return prod(operator.scale for operator in operators if isinstance(operator, Downsample))
