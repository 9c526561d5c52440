"""What a metric is. Metrics see 8-bit images, the ones that would be published: float images are rounded
before.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bench.errors import BenchError, DataError

Image: TypeAlias = NDArray[np.uint8]
"""HWC, RGB, 0 to 255."""


class ImageMetric(Protocol):
    """One number per pair of images; a metric without reference ignores `gt`."""

    @property
    def name(self) -> str: ...

    @property
    def protocol(self) -> str:
        """Everything that changes the number, in one short line: two results compare only if their protocols
        match.
        """
        ...

    @property
    def higher_is_better(self) -> bool: ...

    def score(self, restored: Image, gt: Image) -> float:
        """Finite, but infinite for the PSNR of equal images. Raises DataError on sizes that do not fit."""
        ...


@runtime_checkable
class SetMetric(Protocol):
    """One number per set of images, read once, one at a time. `isinstance` tells it from an ImageMetric."""

    @property
    def name(self) -> str: ...

    @property
    def protocol(self) -> str:
        """The protocol without the number of images."""
        ...

    @property
    def higher_is_better(self) -> bool: ...

    def protocol_for(self, n: int) -> str:
        """The protocol of a score over `n` restored images; set metrics are biased, so that `n` belongs to
        the number.
        """
        ...

    def score(self, restored: Iterable[Image], gt: Iterable[Image]) -> float:
        """Finite. Raises DataError on images or counts that do not fit."""
        ...


def check_image(name: str, image: Image) -> None:
    """Returns if `image` is HWC, three channels, uint8. Raises DataError that says what it is instead."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise DataError(f"{name}: needs uint8 images of shape (H, W, 3), got {image.dtype} {image.shape}")


def check_pair(name: str, restored: Image, gt: Image) -> None:
    """Returns if both are images of one size. Raises DataError that names both sizes."""
    check_image(name, restored)
    check_image(name, gt)
    if restored.shape != gt.shape:
        (h, w, _), (gt_h, gt_w, _) = restored.shape, gt.shape
        raise DataError(f"{name}: restored is {h}x{w} (HxW) but gt is {gt_h}x{gt_w}; scores need equal sizes")


def finite(name: str, value: float) -> float:
    """`value`. Raises BenchError if it is not finite: a table must not average it silently."""
    if not math.isfinite(value):
        raise BenchError(f"{name}: the score is {value}; the metric is undefined for this image")
    return value
