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


def enlarge(images: Tensor, scale: int) -> Tensor:
    """(B, 3, h, w) -> (B, 3, h * scale, w * scale) by the bicubic kernel with a = -1/2, as MATLAB's `imresize`."""
    height, width = images.shape[-2:]
    return images if scale == 1 else _bicubic(images, height * scale, width * scale)


def reduce(images: Tensor, scale: int) -> Tensor:
    """(B, 3, H, W) -> (B, 3, H // scale, W // scale) by the same kernel stretched by `scale`, hence antialiased."""
    height, width = images.shape[-2:]
    return _bicubic(images, height // scale, width // scale)


def _bicubic(images: Tensor, height: int, width: int) -> Tensor:
    # Without `antialias` torch takes a = -3/4, OpenCV's.
    return F.interpolate(images, size=(height, width), mode="bicubic", antialias=True, align_corners=False)


class SignedRestorer(nn.Module):
    """lq and restored in [0, 1] around a network that knows [-1, 1]; lq is enlarged `scale` times before it."""

    def __init__(self, network: nn.Module, scale: int = 1) -> None:
        super().__init__()
        self.network = network
        self.scale = scale

    def forward(self, lq: Tensor) -> Tensor:
        return unsigned(cast(Tensor, self.network(signed(enlarge(lq, self.scale)))))


def check_size(x: Tensor, size: int, network: str) -> None:
    """Raises ValueError where x (B, 3, H, W) is not a square of `size`."""
    if x.shape[-2:] != (size, size):
        found = f"{x.shape[-1]}x{x.shape[-2]}"
        raise ValueError(f"{network} works on {size}x{size} px, not {found}: resize or crop the image first")
