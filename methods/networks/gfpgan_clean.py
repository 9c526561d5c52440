"""The layers of GFPGANv1Clean: plain learning rates, bilinear resampling, activation gains merged into the weights.

The released v1.2, v1.3 and v1.4 models have them. Only layers are replaced; synthesis and hooks are the shared ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.blocks import GAIN, SLOPE, PixelNorm
from ugpnet.nn.modulation import ModulatedConv2d, StyleConv, ToRGB, unchanged
from ugpnet.nn.resample import BINOMIAL
from ugpnet.nn.stylegan2 import StyleGAN2Generator


def resize(x: Tensor, factor: float) -> Tensor:
    """Bilinear, half-pixel centres, no antialiasing."""
    return F.interpolate(x, scale_factor=factor, mode="bilinear", align_corners=False)


class LeakyConv2d(nn.Conv2d):
    """Convolution that keeps the size, then leaky ReLU without gain."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int) -> None:
        super().__init__(in_channels, out_channels, kernel_size, padding=kernel_size // 2)

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu_(super().forward(x), SLOPE)


class CleanResBlock(nn.Module):
    """Two convolutions around a bilinear resize, plus a resized 1x1 skip; a plain sum."""

    def __init__(self, in_channels: int, out_channels: int, factor: float) -> None:
        super().__init__()
        self.factor = factor
        self.conv1 = LeakyConv2d(in_channels, in_channels, 3)
        self.conv2 = LeakyConv2d(in_channels, out_channels, 3)
        self.skip = nn.Conv2d(in_channels, out_channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(resize(self.conv1(x), self.factor)) + self.skip(resize(x, self.factor))
        return out


class CleanModulatedConv2d(ModulatedConv2d):
    """Weights as they are stored; up-sampling enlarges the feature before the convolution."""

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
        super().__init__(in_channels, out_channels, kernel_size, num_style_feat, demodulate)
        self.enlarge = upsample
        modulation = nn.Linear(num_style_feat, in_channels)
        nn.init.kaiming_normal_(modulation.weight, nonlinearity="linear")
        nn.init.ones_(modulation.bias)
        self.modulation = modulation
        self.weight = nn.Parameter(self.weight.detach() * self.scale)
        self.scale = 1.0

    def convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        return super().convolve(resize(x, 2) if self.enlarge else x, weight)


class CleanStyleConv(StyleConv):
    """The gain of the activation stands before noise and bias, which so have none."""

    modulated_conv_type: ClassVar[type[ModulatedConv2d]] = CleanModulatedConv2d

    def add_activation(self, channels: int) -> None:
        self.bias = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(
        self, x: Tensor, latent: Tensor, noise: Tensor, modify: Callable[[Tensor], Tensor] = unchanged
    ) -> Tensor:
        out = self.inject(self.modulated_conv(x, latent) * GAIN, noise)
        return F.leaky_relu_(modify(out) + self.bias, SLOPE)


class CleanToRGB(ToRGB):
    """The image so far is enlarged bilinearly."""

    modulated_conv_type: ClassVar[type[ModulatedConv2d]] = CleanModulatedConv2d

    def make_upsample(self, resample_kernel: Sequence[float]) -> nn.Module:
        return nn.Upsample(scale_factor=2, mode="bilinear")


class CleanGenerator(StyleGAN2Generator):
    """The shared generator with clean layers; it knows no filter and no learning-rate multiplier."""

    style_conv_type: ClassVar[type[StyleConv]] = CleanStyleConv
    to_rgb_type: ClassVar[type[ToRGB]] = CleanToRGB

    def make_style_mlp(self, num_style_feat: int, num_mlp: int, lr_mlp: float) -> nn.Sequential:
        layers: list[nn.Module] = [PixelNorm()]
        for _ in range(num_mlp):
            linear = nn.Linear(num_style_feat, num_style_feat)
            nn.init.kaiming_normal_(linear.weight, a=SLOPE)
            nn.init.zeros_(linear.bias)
            layers += [linear, nn.LeakyReLU(SLOPE)]
        return nn.Sequential(*layers)


class CleanLayers:
    """What the U-Net is made of, without gains; see `gfpgan.Layers`."""

    def conv(self, in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
        return LeakyConv2d(in_channels, out_channels, kernel_size)

    def down(self, in_channels: int, out_channels: int) -> nn.Module:
        return CleanResBlock(in_channels, out_channels, 0.5)

    def up(self, in_channels: int, out_channels: int) -> nn.Module:
        return CleanResBlock(in_channels, out_channels, 2)

    def linear(self, in_features: int, out_features: int) -> nn.Module:
        return nn.Linear(in_features, out_features)

    def condition(self, in_channels: int, out_channels: int, bias: float) -> nn.Module:
        last = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        nn.init.constant_(last.get_parameter("bias"), bias)
        return nn.Sequential(nn.Conv2d(in_channels, in_channels, 3, padding=1), nn.LeakyReLU(SLOPE), last)

    def rgb(self, in_channels: int) -> nn.Module:
        return nn.Conv2d(in_channels, 3, 1)
