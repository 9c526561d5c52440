"""Between the benchmark's images, RGB in [0, 1], and those that GAN-based networks know, RGB in [-1, 1]."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F


def signed(images: Tensor) -> Tensor:
    """[0, 1] -> [-1, 1]."""
    return images * 2 - 1


def unsigned(images: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1], not clamped."""
    return (images + 1) / 2


def resize(images: Tensor, size: int) -> Tensor:
    """Squares of `size` pixels by the bicubic kernel (a = -1/2), stretched when reducing: MATLAB's `imresize`."""
    if images.shape[-2:] == (size, size):
        return images
    return F.interpolate(images, size=(size, size), mode="bicubic", antialias=True, align_corners=False)


class SameSizeRestorer(nn.Module):
    """lq (B, 3, size / scale, size / scale) enlarged to `size`, then `network`, which knows [-1, 1] images of `size`."""

    def __init__(self, network: nn.Module, size: int) -> None:
        super().__init__()
        self.network = network
        self.size = size

    def forward(self, lq: Tensor) -> Tensor:
        return unsigned(cast(Tensor, self.network(signed(resize(lq, self.size)))))


def check_size(x: Tensor, size: int, network: str) -> None:
    """Raises ValueError where x (B, 3, H, W) is not a square of `size`."""
    if x.shape[-2:] != (size, size):
        raise ValueError(f"{network} works on {size}x{size} px, not {x.shape[-1]}x{x.shape[-2]}: resize or crop first")


def power_of_two(size: int, least: int) -> str | None:
    """Why images of this side do not fit a network that halves them down to `least` pixels; None if they do."""
    if size >= least and size & (size - 1) == 0:
        return None
    return f"its images have a side that is a power of two, {least} px or more, not {size} px"
