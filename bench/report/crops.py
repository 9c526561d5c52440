"""Where to zoom in: the places where methods disagree about fine detail."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bench.report.model import Box, Pictures

BOX_COLOURS: Final = ("#E8262A", "#FFD21F", "#27C8F5")
"""Of the zoomed regions: bright on photographs and far apart in lightness, also for colour-blind readers."""

LUMA: Final = np.array([0.299, 0.587, 0.114])


def find_boxes(pictures: Pictures, image: str, restored: Sequence[NDArray[np.uint8]]) -> tuple[Box, ...]:
    """The crops that were asked for, else those that `choose_boxes` finds; one for each colour at most."""
    given = pictures.boxes.get(image)
    return (given or choose_boxes(pictures.gt(image), restored))[: len(BOX_COLOURS)]


def choose_boxes(gt: NDArray[np.uint8], restored: Sequence[NDArray[np.uint8]], count: int = 2) -> tuple[Box, ...]:
    """Up to `count` square boxes, a quarter of the short side wide, that do not overlap; the best first.

    A box scores the mean deviation between the methods times the RMS of the fine detail of `gt` in it. Images
    of another size than `gt` are left out; with fewer than two, the detail of `gt` alone decides.
    """
    height, width = gt.shape[:2]
    size = max(4, round(min(height, width) / 4))
    scores = _box_means(_detail(gt) ** 2, size) ** 0.5
    same = [image for image in restored if image.shape == gt.shape]
    if len(same) > 1:
        scores = scores * (_box_means(_disagreement(same), size) + 1e-6)
    scores = _without_border(scores, size // 8)
    boxes: list[Box] = []
    while len(boxes) < count and np.isfinite(scores).any():
        y, x = np.unravel_index(int(np.argmax(scores)), scores.shape)
        boxes.append(Box(int(x), int(y), size, size))
        scores[max(0, y - size + 1) : y + size, max(0, x - size + 1) : x + size] = -np.inf
    return tuple(boxes)


def _without_border(scores: NDArray[np.float64], margin: int) -> NDArray[np.float64]:
    """Boxes closer to the border than `margin` are out: restorers pad there, and the frame would be cut."""
    inner = slice(margin, -margin or None)
    kept = np.full_like(scores, -np.inf)
    kept[inner, inner] = scores[inner, inner]
    return kept


def _detail(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Luma minus its Gaussian blur; sigma follows the size, so that 64 and 512 px agree on what is fine."""
    luma: NDArray[np.float64] = image @ LUMA
    from scipy import ndimage

    blurred: NDArray[np.float64] = ndimage.gaussian_filter(luma, max(1.0, min(luma.shape) / 64))
    return luma - blurred


def _disagreement(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float64]:
    deviation: NDArray[np.float64] = np.std([image @ LUMA for image in images], axis=0)
    return deviation


def _box_means(values: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    """Mean over every size x size box inside the image, indexed by its top left corner."""
    sums = np.pad(values, ((1, 0), (1, 0))).cumsum(axis=0).cumsum(axis=1)
    boxes = sums[size:, size:] - sums[:-size, size:] - sums[size:, :-size] + sums[:-size, :-size]
    means: NDArray[np.float64] = np.maximum(boxes, 0.0) / size**2
    return means
