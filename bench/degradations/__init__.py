"""Degradations as configuration: a list of operators, applied in its order.

degradation:
  - {op: motion_blur, kernel_size: 71}
  - {op: gaussian_noise, sigma: 0.01}
"""

from bench.degradations.chain import VERSION, Operator, degrade, total_scale
from bench.degradations.operators import (
    Downsample,
    GaussianBlur,
    GaussianNoise,
    Jpeg,
    MotionBlur,
    PoissonNoise,
)

__all__ = [
    "VERSION",
    "Downsample",
    "GaussianBlur",
    "GaussianNoise",
    "Jpeg",
    "MotionBlur",
    "Operator",
    "PoissonNoise",
    "degrade",
    "total_scale",
]
