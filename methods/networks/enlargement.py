"""Enlargement without anything learned: what `input` and `bicubic` restore with."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class Enlarge(nn.Module):
    """lq at the size of the ground truth: nearest-neighbour enlargement, the identity at scale 1."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, lq: Tensor) -> Tensor:
        return lq if self.scale == 1 else F.interpolate(lq, scale_factor=self.scale, mode="nearest")


class Bicubic(nn.Module):
    """lq enlarged by bicubic interpolation (a = -0.75, half-pixel centres)."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, lq: Tensor) -> Tensor:
        return F.interpolate(lq, scale_factor=self.scale, mode="bicubic", align_corners=False)
