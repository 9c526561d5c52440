"""The Haar wavelet transform and its inverse, as VQFR's discriminator has them (after SWAGAN, arXiv 2102.06108)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from ugpnet.nn.resample import upfirdn2d

BANDS = ("ll", "lh", "hl", "hh")
"""low or high vertically, then horizontally"""


class HaarBands(nn.Module):
    """The four 2x2 kernels, buffers of the state dict."""

    def __init__(self, sign: float) -> None:
        super().__init__()
        low, high = torch.tensor((1.0, 1.0)) / math.sqrt(2), torch.tensor((-1.0, 1.0)) / math.sqrt(2)
        for name, vertical, horizontal, factor in (
            ("ll", low, low, 1.0), ("lh", high, low, sign), ("hl", low, high, sign), ("hh", high, high, 1.0)
        ):  # fmt: skip
            self.register_buffer(name, torch.outer(vertical, horizontal) * factor)


class HaarTransform(HaarBands):
    """(B, C, 2H, 2W) -> (B, 4C, H, W), the bands one after the other."""

    def __init__(self) -> None:
        super().__init__(sign=1.0)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([upfirdn2d(x, self.get_buffer(band), down=2) for band in BANDS], dim=1)


class InverseHaarTransform(HaarBands):
    """(B, 4C, H, W) -> (B, C, 2H, 2W)."""

    def __init__(self) -> None:
        super().__init__(sign=-1.0)

    def forward(self, x: Tensor) -> Tensor:
        bands = zip(BANDS, x.chunk(4, dim=1), strict=True)
        parts = [upfirdn2d(part, self.get_buffer(band), up=2, pad=(1, 0)) for band, part in bands]
        return torch.stack(parts).sum(0)
