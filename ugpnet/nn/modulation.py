"""StyleGAN2's style-modulated layers: the one place of their maths."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.blocks import EqualLinear, FusedLeakyReLU
from ugpnet.nn.resample import BINOMIAL, blur_after_conv, upsample2

Injection: TypeAlias = Literal["add", "concat"]
"""How a style convolution takes its noise map: added (StyleGAN2), or as C further channels (GPEN)."""

EPS = 1e-8


def modulated_conv2d(
    x: Tensor,
    weight: Tensor,
    style: Tensor,
    convolve: Callable[[Tensor, Tensor], Tensor],
    demodulate: bool = True,
) -> Tensor:
    """Convolution whose weight is scaled by `style` per sample and input channel, then normalised per output channel.

    x (B, I, H, W), weight (O, I, k, k), style (B, I); `convolve(x, weight)` is the plain convolution, linear in both.
    Scaling x and the result instead of the weight is the same (eqs. 1 and 3 of arXiv 1912.04958) and lets the whole
    batch share one convolution; a single sample has the weight scaled, which is smaller than its feature maps.
    """
    if x.shape[0] == 1:
        weight = weight * style[0, :, None, None]
        if demodulate:
            weight = weight * torch.rsqrt(weight.square().sum((1, 2, 3), keepdim=True) + EPS)
        return convolve(x, weight)
    out = convolve(x * style[:, :, None, None], weight)
    if not demodulate:
        return out
    power = style.square() @ weight.square().sum((2, 3)).T
    return out * torch.rsqrt(power + EPS)[:, :, None, None]


class ModulatedConv2d(nn.Module):
    """`modulated_conv2d` with an affine map from latent to style and, if asked, up-sampling by two."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        num_style_feat: int,
        demodulate: bool = True,
        upsample: bool = False,
        resample_kernel: Sequence[float] = BINOMIAL,
    ) -> None:
        super().__init__()
        self.demodulate, self.padding = demodulate, kernel_size // 2
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.modulation: nn.Module = EqualLinear(num_style_feat, in_channels, bias_init=1)
        self.weight = nn.Parameter(torch.randn(1, out_channels, in_channels, kernel_size, kernel_size))
        self.blur = blur_after_conv(resample_kernel, kernel_size) if upsample else None

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        """x (B, I, H, W), latent (B, D) -> (B, O, H, W), twice the size when up-sampling."""
        weight, style = self.weight[0] * self.scale, self.modulation(latent)
        return modulated_conv2d(x, weight, style, self.convolve, self.demodulate)

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.blur is None:
            return F.conv2d(x, weight, padding=self.padding)
        up: Tensor = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        return up


def unchanged(x: Tensor) -> Tensor:
    return x


class StyleConv(nn.Module):
    """Modulated 3x3 convolution, noise, activation; `weight` (1,) is the strength of the noise."""

    modulated_conv_type: ClassVar[type[ModulatedConv2d]] = ModulatedConv2d

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        num_style_feat: int,
        upsample: bool = False,
        resample_kernel: Sequence[float] = BINOMIAL,
        injection: Injection = "add",
    ) -> None:
        super().__init__()
        self.injection = injection
        self.modulated_conv = self.modulated_conv_type(
            in_channels, out_channels, 3, num_style_feat, upsample=upsample, resample_kernel=resample_kernel
        )
        self.weight = nn.Parameter(torch.zeros(1))
        self.add_activation(out_channels * (2 if injection == "concat" else 1))

    def add_activation(self, channels: int) -> None:
        """Add the layer or parameters of the activation; sub-classes choose others."""
        self.activate = FusedLeakyReLU(channels)

    def forward(
        self, x: Tensor, latent: Tensor, noise: Tensor, modify: Callable[[Tensor], Tensor] = unchanged
    ) -> Tensor:
        """x (B, I, H, W), latent (B, D), noise (1 or B, 1, H', W') or, to concatenate, (B, O, H', W').

        `modify` is applied between noise and activation.
        """
        out = self.inject(self.modulated_conv(x, latent), noise)
        activated: Tensor = self.activate(modify(out))
        return activated

    def inject(self, x: Tensor, noise: Tensor) -> Tensor:
        if self.injection == "concat":
            return torch.cat([x, self.weight * noise], dim=1)
        return x + self.weight * noise


class ToRGB(nn.Module):
    """Modulated 1x1 convolution without demodulation to three channels, added to the up-sampled image so far.

    The first one of a generator has no image to up-sample (`upsample=False`).
    """

    modulated_conv_type: ClassVar[type[ModulatedConv2d]] = ModulatedConv2d

    def __init__(
        self,
        in_channels: int,
        num_style_feat: int,
        upsample: bool = True,
        resample_kernel: Sequence[float] = BINOMIAL,
    ) -> None:
        super().__init__()
        if upsample:
            self.upsample = self.make_upsample(resample_kernel)
        self.modulated_conv = self.modulated_conv_type(in_channels, 3, 1, num_style_feat, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def make_upsample(self, resample_kernel: Sequence[float]) -> nn.Module:
        """What doubles the image so far; sub-classes choose others."""
        return upsample2(resample_kernel)

    def forward(self, x: Tensor, latent: Tensor, skip: Tensor | None = None) -> Tensor:
        """x (B, C, H, W), latent (B, D), skip (B, 3, H/2, W/2) -> (B, 3, H, W)."""
        image: Tensor = self.modulated_conv(x, latent) + self.bias
        return image if skip is None else image + self.upsample(skip)
