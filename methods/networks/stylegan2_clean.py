"""GFP-GAN's "clean" StyleGAN2: plain layers, bilinear up-sampling before the convolution, released keys.

It computes what the ordinary generator computes, except at borders: equalised scales are folded into weights, and
zero insertion, convolution and FIR commute. `clean_state` folds an ordinary generator's weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.blocks import GAIN, SLOPE, PixelNorm
from ugpnet.nn.modulation import Injection, ModulatedConv2d, StyleConv, ToRGB, modulated_conv2d, unchanged
from ugpnet.nn.resample import BINOMIAL
from ugpnet.nn.stylegan2 import StyleGAN2Generator


def enlarge(x: Tensor) -> Tensor:
    """Twice the size, bilinear, half-pixel centres."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class CleanModulatedConv2d(ModulatedConv2d):
    """Weights as stored, an ordinary linear layer for the style, bilinear up-sampling first."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, num_style_feat: int,
                 demodulate: bool = True, upsample: bool = False) -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, kernel_size, num_style_feat, demodulate)
        self.modulation = nn.Linear(num_style_feat, in_channels)
        nn.init.ones_(self.modulation.bias)
        self.enlarges = upsample
        with torch.no_grad():
            self.weight.mul_(self.scale)

    def forward(self, x: Tensor, latent: Tensor) -> Tensor:
        x = enlarge(x) if self.enlarges else x
        return modulated_conv2d(x, self.weight[0], self.modulation(latent), self.convolve, self.demodulate)


class CleanStyleConv(StyleConv):
    """Noise and bias are added after the activation's gain, not before it."""

    def __init__(self, in_channels: int, out_channels: int, num_style_feat: int, upsample: bool = False,
                 resample_kernel: Sequence[float] = BINOMIAL, injection: Injection = "add") -> None:  # fmt: skip
        super().__init__(in_channels, out_channels, num_style_feat)
        del self.activate
        self.modulated_conv = CleanModulatedConv2d(in_channels, out_channels, 3, num_style_feat, upsample=upsample)
        self.bias = nn.Parameter(torch.zeros(1, out_channels, 1, 1))

    def forward(
        self, x: Tensor, latent: Tensor, noise: Tensor, modify: Callable[[Tensor], Tensor] = unchanged
    ) -> Tensor:
        out = self.modulated_conv(x, latent) * GAIN + self.weight * noise
        return F.leaky_relu(modify(out + self.bias), SLOPE)


class CleanToRGB(ToRGB):
    """Bilinear up-sampling of the image so far."""

    def __init__(self, in_channels: int, num_style_feat: int, upsample: bool = True,
                 resample_kernel: Sequence[float] = BINOMIAL) -> None:  # fmt: skip
        super().__init__(in_channels, num_style_feat, upsample)
        self.modulated_conv = CleanModulatedConv2d(in_channels, 3, 1, num_style_feat, demodulate=False)
        if upsample:
            self.upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=False)


class CleanStyleGAN2(StyleGAN2Generator):
    """The generator with clean layers throughout."""

    style_conv_type: ClassVar[type[StyleConv]] = CleanStyleConv
    to_rgb_type: ClassVar[type[ToRGB]] = CleanToRGB

    def make_style_mlp(self, num_style_feat: int, num_mlp: int, lr_mlp: float) -> nn.Sequential:
        layers: list[nn.Module] = [PixelNorm()]
        for _ in range(num_mlp):
            layers += [nn.Linear(num_style_feat, num_style_feat), nn.LeakyReLU(SLOPE)]
        return nn.Sequential(*layers)


def clean_state(state: Mapping[str, Tensor], lr_mlp: float = 0.01) -> dict[str, Tensor]:
    """The state dict of a `CleanStyleGAN2` from that of a `StyleGAN2Generator` of the same constructor values."""
    clean = {}
    for name, value in state.items():
        if name.startswith("style_mlp."):
            clean |= _mlp_entry(name, value, lr_mlp)
        elif name.endswith(".activate.bias"):
            clean[name.replace("activate.bias", "bias")] = value.view(1, -1, 1, 1) * GAIN
        elif name.endswith("modulation.weight"):
            clean[name] = value / math.sqrt(value.shape[1])
        elif name.endswith("modulated_conv.weight"):
            clean[name] = _convolution(name, value)
        elif value.ndim == 1 and name.endswith(".weight"):  # strength of the noise
            clean[name] = value * GAIN
        elif "blur" not in name and "upsample" not in name:
            clean[name] = value
    return clean


def _mlp_entry(name: str, value: Tensor, lr_mlp: float) -> dict[str, Tensor]:
    """Layer i of the equalised MLP, activation inside, is layer 2 i - 1 of the plain one; the gain goes into it."""
    _, index, kind = name.split(".")
    scale = lr_mlp * GAIN / (math.sqrt(value.shape[1]) if kind == "weight" else 1)
    return {f"style_mlp.{2 * int(index) - 1}.{kind}": value * scale}


def _convolution(name: str, weight: Tensor) -> Tensor:
    """Scaled by 1/sqrt(fan in); mirrored where a transposed convolution up-sampled, which turns kernels around."""
    scaled = weight / math.sqrt(weight[0, 0].numel())
    upsamples = name.startswith("style_convs.") and int(name.split(".")[1]) % 2 == 0
    return scaled.flip(-1, -2) if upsamples else scaled
