"""The layers that VQFR's two generations are made of. Attribute names are the released ones."""

from __future__ import annotations

import math
from typing import Literal, TypeAlias, cast

from torch import Tensor, nn
from torch.nn import functional as F

Shortcut: TypeAlias = Literal["shortcut_conv", "residual_func"]
"""What the 1x1 convolution of a residual block is called: in version 1, in version 2."""


def level_name(downscale: int) -> str:
    """`Level_8` for maps of an eighth of the image's side."""
    return f"Level_{downscale}"


def normalise(channels: int) -> nn.GroupNorm:
    """Group normalisation with the released 32 groups, eps 1e-6.

    Widths that 32 does not divide are in no released model: they take fewer groups, of four channels at least,
    because a group of one channel on a map of one pixel would be nothing but zeros.
    """
    groups = 32 if channels % 32 == 0 else math.gcd(32, channels, channels // 4 or 1)
    return nn.GroupNorm(groups, channels, eps=1e-6)


def convolve(in_channels: int, out_channels: int) -> nn.Conv2d:
    """3x3, same size."""
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def head(in_channels: int, out_channels: int) -> nn.Sequential:
    """Normalisation, SiLU and a 3x3 convolution: the end of every encoder and decoder."""
    return nn.Sequential(normalise(in_channels), nn.SiLU(), convolve(in_channels, out_channels))


def apply_if_there(layers: nn.ModuleDict, name: str, x: Tensor) -> Tensor:
    """x itself where no layer has the name."""
    return cast(Tensor, layers[name](x)) if name in layers else x


class ResnetBlock(nn.Module):
    """(B, C, H, W) -> (B, C', H, W): two pre-activated 3x3 convolutions and a skip, 1x1 where the widths differ."""

    def __init__(self, in_channels: int, out_channels: int, shortcut: Shortcut) -> None:
        super().__init__()
        self.norm1 = normalise(in_channels)
        self.conv1 = convolve(in_channels, out_channels)
        self.norm2 = normalise(out_channels)
        self.conv2 = convolve(out_channels, out_channels)
        self.shortcut = shortcut
        if in_channels != out_channels:
            self.add_module(shortcut, nn.Conv2d(in_channels, out_channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        residual = self.conv2(F.silu(self.norm2(self.conv1(F.silu(self.norm1(x))))))
        skip = getattr(self, self.shortcut, None)
        out: Tensor = residual + (x if skip is None else skip(x))
        return out


class AttentionBlock(nn.Module):
    """Residual self-attention with one head over all positions of a map."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = normalise(channels)
        self.q = nn.Conv2d(channels, channels, 1)
        self.k = nn.Conv2d(channels, channels, 1)
        self.v = nn.Conv2d(channels, channels, 1)
        self.proj_out = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.norm(x)
        query, key, value = (layer(normed).flatten(2).mT for layer in (self.q, self.k, self.v))
        attended = F.scaled_dot_product_attention(query, key, value)
        out: Tensor = x + self.proj_out(attended.mT.reshape(x.shape))
        return out


class BilinearDown(nn.Module):
    """Version 1's way down: bilinear resize to 1/`rate`, then a 3x3 convolution."""

    def __init__(self, in_channels: int, out_channels: int, rate: int) -> None:
        super().__init__()
        self.rate = rate
        self.conv = convolve(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        size = (x.shape[2] // self.rate, x.shape[3] // self.rate)
        out: Tensor = self.conv(resize(x, size))
        return out


class BilinearUp(nn.Module):
    """Version 1's way up: a 3x3 convolution, then bilinear resize by `rate`."""

    def __init__(self, in_channels: int, out_channels: int, rate: int) -> None:
        super().__init__()
        self.rate = rate
        self.conv = convolve(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return resize(self.conv(x), (x.shape[2] * self.rate, x.shape[3] * self.rate))


class StridedDown(nn.Module):
    """Version 2's way down: 3x3 convolution of stride 2; zeros at the right and the bottom only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.pad(x, (0, 1, 0, 1)))
        return out


class NearestUp(nn.Module):
    """Version 2's way up: every pixel twice, then a 3x3 convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = convolve(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        return out


def resize(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bilinear, half-pixel centres, no antialiasing."""
    if tuple(x.shape[2:]) == size:
        return x
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)
