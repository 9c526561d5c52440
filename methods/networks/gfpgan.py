"""GFP-GAN: a U-Net whose features modulate a StyleGAN2 (SFT). Released state-dict keys.

Wang et al., "Towards Real-World Blind Face Restoration with Generative Facial Prior", CVPR 2021 (arXiv 2101.04061).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.gfpgan_clean import CleanGenerator, CleanLayers, resize
from methods.networks.images import enlarge, signed, unsigned
from ugpnet.nn.blocks import (
    ConvLayer,
    EqualConv2d,
    EqualLinear,
    FusedLeakyReLU,
    ResBlock,
    ScaledLeakyReLU,
    channels_at,
    octaves,
)
from ugpnet.nn.condition import SFT
from ugpnet.nn.resample import BINOMIAL
from ugpnet.nn.stylegan2 import Noise, StyleGAN2Generator


class Layers(Protocol):
    """The kinds of layers that tell GFPGANv1 from GFPGANv1Clean."""

    def conv(self, in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
        """Convolution and activation at one size."""

    def down(self, in_channels: int, out_channels: int) -> nn.Module:
        """Residual block that halves the size."""

    def up(self, in_channels: int, out_channels: int) -> nn.Module:
        """Residual block that doubles the size."""

    def linear(self, in_features: int, out_features: int) -> nn.Module:
        """Linear layer without activation."""

    def condition(self, in_channels: int, out_channels: int, bias: float) -> nn.Module:
        """Head for scales or shifts, whose last bias starts at `bias`."""

    def rgb(self, in_channels: int) -> nn.Module:
        """1x1 convolution to an image."""


class GFPGAN(nn.Module):
    """Images (B, 3, out_size, out_size) in [-1, 1] -> restored, the same, not clamped.

    The U-Net is half as wide as the generator. It gives one code per generator layer (`different_w`) or one for all,
    which pass the mapping network unless `input_is_latent`, and scales and shifts for half of the generator's channels
    (`sft_half`) or all of them. `fix_decoder` freezes the generator.
    """

    def __init__(
        self,
        generator: StyleGAN2Generator,
        layers: Layers,
        channel_multiplier: float,
        narrow: float,
        fix_decoder: bool,
        input_is_latent: bool,
        different_w: bool,
        sft_half: bool,
    ) -> None:
        super().__init__()
        self.input_is_latent, self.different_w, self.sft_half = input_is_latent, different_w, sft_half
        size, levels = generator.out_size, octaves(generator.out_size)
        width = [channels_at(size >> level, channel_multiplier, narrow * 0.5) for level in range(levels + 1)]
        self.conv_body_first = layers.conv(3, width[0], 1)
        self.conv_body_down = nn.ModuleList(layers.down(*pair) for pair in pairwise(width))
        self.final_conv = layers.conv(width[-1], width[-1], 3)
        codes = generator.num_latent if different_w else 1
        self.final_linear = layers.linear(width[-1] * 16, codes * generator.num_style_feat)
        self.conv_body_up, self.toRGB = nn.ModuleList(), nn.ModuleList()
        self.condition_scale, self.condition_shift = nn.ModuleList(), nn.ModuleList()
        for coarse, fine in pairwise(reversed(width)):
            modulated = fine if sft_half else 2 * fine
            self.conv_body_up.append(layers.up(coarse, fine))
            self.toRGB.append(layers.rgb(fine))
            self.condition_scale.append(layers.condition(fine, modulated, bias=1))
            self.condition_shift.append(layers.condition(fine, modulated, bias=0))
        self.stylegan_decoder = generator.requires_grad_(not fix_decoder)

    def forward(self, x: Tensor) -> Tensor:
        return self.restore(x)[0]

    def restore(
        self, x: Tensor, noise: Noise = "random", generator: torch.Generator | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """(restored, the U-Net's own images from 8 px to the full size, which only the pyramid loss reads)."""
        features: list[Tensor] = [self.conv_body_first(x)]
        for down in self.conv_body_down:
            features.append(down(features[-1]))
        feature = self.final_conv(features[-1])
        latents = self._latents(self.final_linear(feature.flatten(1)))
        maps: list[Tensor] = []
        for up, skip in zip(self.conv_body_up, reversed(features[1:]), strict=True):
            feature = up(feature + skip)
            maps.append(feature)
        condition = SFT(_each(self.condition_scale, maps), _each(self.condition_shift, maps), self.sft_half)
        image, _ = self.stylegan_decoder.synthesize(latents, condition, noise, generator)
        return image, _each(self.toRGB, maps)

    def _latents(self, code: Tensor) -> Tensor:
        if self.different_w:
            code = code.unflatten(1, (self.stylegan_decoder.num_latent, -1))
        return self.stylegan_decoder.mix([code if self.input_is_latent else self.stylegan_decoder.map(code)])


def _each(layers: nn.ModuleList, maps: Sequence[Tensor]) -> list[Tensor]:
    return [layer(x) for layer, x in zip(layers, maps, strict=True)]


class UpConv(nn.Module):
    """Bilinear enlargement by two, then an equalised convolution [and activation]."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, activate: bool) -> None:
        super().__init__()
        self.padding, self.scale = kernel_size // 2, 1 / math.sqrt(in_channels * kernel_size**2)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        if activate:
            self.activation = FusedLeakyReLU(out_channels)
        self.activate = activate

    def forward(self, x: Tensor) -> Tensor:
        out = F.conv2d(resize(x, 2), self.weight * self.scale, padding=self.padding)
        if not self.activate:
            return out
        activated: Tensor = self.activation(out)
        return activated


class UpBlock(nn.Module):
    """Residual block (B, C, H, W) -> (B, C', 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv1 = ConvLayer(in_channels, in_channels, 3)
        self.conv2 = UpConv(in_channels, out_channels, 3, activate=True)
        self.skip = UpConv(in_channels, out_channels, 1, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(x)) + self.skip(x)
        return out / math.sqrt(2)


class EqualisedLayers:
    """StyleGAN2's own layers, with equalised learning rates."""

    def __init__(self, resample_kernel: Sequence[float]) -> None:
        self.resample_kernel = resample_kernel

    def conv(self, in_channels: int, out_channels: int, kernel_size: int) -> nn.Module:
        return ConvLayer(in_channels, out_channels, kernel_size)

    def down(self, in_channels: int, out_channels: int) -> nn.Module:
        return ResBlock(in_channels, out_channels, self.resample_kernel)

    def up(self, in_channels: int, out_channels: int) -> nn.Module:
        return UpBlock(in_channels, out_channels)

    def linear(self, in_features: int, out_features: int) -> nn.Module:
        return EqualLinear(in_features, out_features)

    def condition(self, in_channels: int, out_channels: int, bias: float) -> nn.Module:
        last = EqualConv2d(in_channels, out_channels, 3, padding=1)
        nn.init.constant_(last.get_parameter("bias"), bias)
        return nn.Sequential(EqualConv2d(in_channels, in_channels, 3, padding=1), ScaledLeakyReLU(), last)

    def rgb(self, in_channels: int) -> nn.Module:
        return EqualConv2d(in_channels, 3, 1)


class GFPGANv1(GFPGAN):
    """The paper's model, released as v1: equalised learning rates, FIR filters."""

    def __init__(
        self,
        out_size: int,
        num_style_feat: int = 512,
        channel_multiplier: float = 1,
        resample_kernel: Sequence[float] = BINOMIAL,
        fix_decoder: bool = True,
        num_mlp: int = 8,
        lr_mlp: float = 0.01,
        input_is_latent: bool = False,
        different_w: bool = False,
        narrow: float = 1,
        sft_half: bool = False,
    ) -> None:
        generator = StyleGAN2Generator(
            out_size, num_style_feat, num_mlp, channel_multiplier, resample_kernel, lr_mlp, narrow
        )
        layers = EqualisedLayers(resample_kernel)
        super().__init__(
            generator, layers, channel_multiplier, narrow, fix_decoder, input_is_latent, different_w, sft_half
        )


class GFPGANv1Clean(GFPGAN):
    """Released as v1.2, v1.3 and v1.4: the same graph of plain layers."""

    def __init__(
        self,
        out_size: int,
        num_style_feat: int = 512,
        channel_multiplier: float = 2,
        fix_decoder: bool = True,
        num_mlp: int = 8,
        input_is_latent: bool = False,
        different_w: bool = False,
        narrow: float = 1,
        sft_half: bool = False,
    ) -> None:
        generator = CleanGenerator(out_size, num_style_feat, num_mlp, channel_multiplier, narrow=narrow)
        layers = CleanLayers()
        super().__init__(
            generator, layers, channel_multiplier, narrow, fix_decoder, input_is_latent, different_w, sft_half
        )


def fit_input(lq: Tensor, network: GFPGAN) -> Tensor:
    """The network's input: lq (B, 3, h, w) in [0, 1], enlarged to its size where smaller, in [-1, 1]."""
    return signed(enlarge(lq, network.stylegan_decoder.out_size // lq.shape[-1]))


class GFPGANRestorer(nn.Module):
    """lq and restored in [0, 1]; a smaller lq is enlarged first. The noise is that of the state dict."""

    def __init__(self, network: GFPGAN) -> None:
        super().__init__()
        self.network = network

    def forward(self, lq: Tensor) -> Tensor:
        return unsigned(self.network.restore(fit_input(lq, self.network), noise="stored")[0])


class FacialComponentDiscriminator(nn.Module):
    """Logit map (B, 1, H/4, W/4) of an eye or a mouth (B, 3, H, W) in [-1, 1], released at 80 and 120 px."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = ConvLayer(3, 64, 3)
        self.conv2 = ConvLayer(64, 128, 3, downsample=True)
        self.conv3 = ConvLayer(128, 128, 3)
        self.conv4 = ConvLayer(128, 256, 3, downsample=True)
        self.conv5 = ConvLayer(256, 256, 3)
        self.final_conv = ConvLayer(256, 1, 3, activate=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.discriminate(x)[0]

    def discriminate(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(logit map, the features (B, 128, H/2, W/2) and (B, 256, H/4, W/4) that the style loss compares)."""
        middle: Tensor = self.conv3(self.conv2(self.conv1(x)))
        last: Tensor = self.conv5(self.conv4(middle))
        return self.final_conv(last), [middle, last]
