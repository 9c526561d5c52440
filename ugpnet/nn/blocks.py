"""Layers with an equalised learning rate: weights are stored at unit variance and scaled at run time.

Attribute names and indices are BasicSR's, so that its state dicts load. Source: StyleGAN2 (arXiv 1912.04958).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.resample import BINOMIAL, blur_before_conv

GAIN = math.sqrt(2)
"""Gain of every activation, which keeps the variance under leaky ReLU."""
SLOPE = 0.2


def channels_at(size: int, channel_multiplier: float = 2, narrow: float = 1) -> int:
    """Width of StyleGAN2 at a resolution in pixels: 512 up to 32, then halved at each doubling from 256 at 64."""
    if size <= 32:
        return int(512 * narrow)
    return int(16384 // size * channel_multiplier * narrow)


def octaves(size: int, start: int = 4) -> int:
    """How often `start` doubles to `size`; ValueError if it never does."""
    count = (size // start).bit_length() - 1
    if count < 0 or start << count != size:
        raise ValueError(f"size {size} is not {start} times a power of two: use {start << max(count, 1)}")
    return count


def prefer_layout(x: Tensor) -> Tensor:
    """The same values; on a CPU channels-last, which the following layers keep.

    oneDNN then needs a tenth to a quarter less time for a training step, and half for transposed convolutions. CUDA's
    depthwise convolutions want the ordinary layout. (`Module.to(memory_format=...)` refuses 5-D modulated weights.)
    """
    return x.contiguous(memory_format=torch.channels_last) if x.device.type == "cpu" else x


def fused_leaky_relu(x: Tensor, bias: Tensor | None = None) -> Tensor:
    """sqrt(2) * leaky_relu(x + bias, 0.2); `bias` must broadcast against x."""
    if bias is None:
        return F.leaky_relu(x, SLOPE) * GAIN
    # In this order: with biases that outweigh x the released goldens are met to the last bit, gain first is not.
    return F.leaky_relu_(x + bias, SLOPE) * GAIN


class FusedLeakyReLU(nn.Module):
    """`fused_leaky_relu` of (B, C, H, W) maps with a learned bias per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return fused_leaky_relu(x, self.bias[:, None, None])


class ScaledLeakyReLU(nn.Module):
    """sqrt(2) * leaky_relu(x, 0.2)."""

    def forward(self, x: Tensor) -> Tensor:
        return fused_leaky_relu(x)


class PixelNorm(nn.Module):
    """Unit root mean square along axis 1, the features of a (B, D) code."""

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    """Linear layer whose weight is scaled by lr_mul / sqrt(in_features) and whose bias by lr_mul."""

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias: bool = True,
        bias_init: float = 0.0,
        lr_mul: float = 1.0,
        activate: bool = False,
    ) -> None:
        super().__init__()
        self.scale, self.lr_mul, self.activate = lr_mul / math.sqrt(in_features), lr_mul, activate
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_mul)
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init))) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        x = F.linear(x, self.weight * self.scale)
        bias = None if self.bias is None else self.bias * self.lr_mul
        if self.activate:
            return fused_leaky_relu(x, bias)
        return x if bias is None else x + bias


class EqualConv2d(nn.Module):
    """Convolution whose weight is scaled by 1 / sqrt(in_channels * kernel_size^2)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.scale = 1 / math.sqrt(in_channels * kernel_size**2)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.weight * self.scale, self.bias, self.stride, self.padding)


class ConvLayer(nn.Sequential):
    """[filter,] convolution [, activation]; `downsample` halves the size. The activation holds the bias."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        downsample: bool = False,
        resample_kernel: Sequence[float] = BINOMIAL,
        bias: bool = True,
        activate: bool = True,
    ) -> None:
        filters: list[nn.Module] = []
        stride, padding = 1, kernel_size // 2
        if downsample:
            # At full size also before a pointwise convolution, which reads a quarter of it: untrained logits of two
            # images differ in their last digits only, and in this order the goldens are met to the last bit.
            filters = [blur_before_conv(resample_kernel, kernel_size)]
            stride, padding = 2, 0
        layers = self.make_layers(in_channels, out_channels, kernel_size, stride, padding, bias, activate)
        super().__init__(*filters, *layers)

    def make_layers(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        padding: int,
        bias: bool,
        activate: bool,
    ) -> list[nn.Module]:
        """Convolution and activation; sub-classes choose other kinds."""
        own_bias = bias and not activate
        conv = EqualConv2d(in_channels, out_channels, kernel_size, stride, padding, own_bias)
        if not activate:
            return [conv]
        return [conv, FusedLeakyReLU(out_channels) if bias else ScaledLeakyReLU()]


class ResBlock(nn.Module):
    """Residual block of the discriminator, (B, C, 2H, 2W) -> (B, C', H, W): (convolutions + skip) / sqrt(2)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        resample_kernel: Sequence[float] = BINOMIAL,
        layer: type[ConvLayer] = ConvLayer,
    ) -> None:
        super().__init__()
        self.conv1 = layer(in_channels, in_channels, 3)
        self.conv2 = layer(in_channels, out_channels, 3, True, resample_kernel)
        self.skip = layer(in_channels, out_channels, 1, True, resample_kernel, bias=False, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(x)) + self.skip(x)
        return out / math.sqrt(2)
