"""Squares cut out of an image."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]


def fit_square(image: Pixels, size: int, fit: Literal["resize", "center_crop"]) -> Pixels:
    """A (size, size, 3) view or copy of an (H, W, 3) image with H, W >= size; see `FolderData`."""
    if fit == "center_crop":
        return center_crop(image, size)
    return reduce_square(center_crop(image, min(image.shape[:2])), size)


def center_crop(image: Pixels, size: int, multiple: int = 1) -> Pixels:
    """The centred square, its corner moved up and left to a multiple of `multiple` pixels."""
    top, left = ((side - size) // 2 // multiple * multiple for side in image.shape[:2])
    return image[top : top + size, left : left + size]


def random_crop(image: Pixels, size: int, rng: np.random.Generator) -> Pixels:
    """A square at a uniformly drawn place."""
    top, left = (int(rng.integers(side - size + 1)) for side in image.shape[:2])
    return image[top : top + size, left : left + size]


def reduce_square(square: Pixels, size: int) -> Pixels:
    """The square at `size` pixels, by antialiased Lanczos as in FFHQ's own tools."""
    if square.shape[0] == size:
        return square
    return np.array(Image.fromarray(square).resize((size, size), Image.Resampling.LANCZOS))
