"""Padding to the sizes that down- and upsampling networks can take, and back."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn import functional as F


def pad_to_multiple(x: Tensor, multiple: int, mode: Literal["constant", "replicate"]) -> Tensor:
    """`x` (B, C, h, w) grown at the right and the bottom until both sides are divisible by `multiple`."""
    height, width = x.shape[-2:]
    return F.pad(x, (0, -width % multiple, 0, -height % multiple), mode=mode)


def crop_like(x: Tensor, image: Tensor, scale: int = 1) -> Tensor:
    """The top left part of `x` that lies over `image`, `scale` times as large; undoes `pad_to_multiple`."""
    height, width = image.shape[-2:]
    return x[..., : height * scale, : width * scale]
