"""The synthesis module (paper, Sec. 3.2): encoders into F/W+ and a StyleGAN2 generator that starts from them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.initialise import kaiming_fan_out
from ugpnet.nn.condition import Basecode
from ugpnet.nn.stylegan2 import Noise, StyleGAN2Generator

WIDEST = 512
"""Channels of the encoder at 16 px and below; halved with every doubling of the size."""


class EncoderBlock(nn.Module):
    """Three times convolution, batch norm, LeakyReLU; then half the size, except in the last block."""

    def __init__(self, in_channels: int, channels: int, pool: bool) -> None:
        super().__init__()
        self.conv = nn.ModuleList(
            nn.Conv2d(in_channels if i == 0 else channels, channels, 3, padding=1) for i in range(3)
        )
        self.bn = nn.ModuleList(nn.BatchNorm2d(channels) for _ in range(3))
        self.pool = pool

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.conv, self.bn, strict=True):
            x = F.leaky_relu(norm(conv(x)), 0.2)
        return F.avg_pool2d(x, 2) if self.pool else x


class FeatureEncoder(nn.Module):
    """E, the part into F: an image of exactly `size` pixels -> the generator's feature at `spatial_size`.

    `code_channels` is the generator's width there; `narrow` scales the encoder's own widths, 16 at 512 px to 512 at 16 px.
    """

    def __init__(self, size: int, spatial_size: int, code_channels: int, narrow: float = 1) -> None:
        super().__init__()
        sizes = [size >> level for level in range(int(math.log2(size // spatial_size)) + 1)]
        widths = [encoder_width(side, narrow) for side in sizes]
        inputs = [3, *widths[:-1]]
        self.downblocks = nn.ModuleList(
            EncoderBlock(before, width, pool=side > spatial_size)
            for before, width, side in zip(inputs, widths, sizes, strict=True)
        )
        self.conv1x1 = nn.Conv2d(widths[-1], code_channels, 1)
        self.size = size
        self.style_channels = widths[-3]
        """Channels of the map that `Map2Style` reads: the block output of twice `spatial_size`."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(spatial code (B,code_channels,s,s), style input (B,style_channels,2s,2s))`."""
        if x.shape[-2:] != (self.size, self.size):
            raise ValueError(
                f"the synthesis module works on {self.size}x{self.size} px, not {x.shape[-1]}x{x.shape[-2]}"
            )
        features = []
        for block in self.downblocks:
            x = block(x)
            features.append(x)
        return self.conv1x1(x), features[-3]


def encoder_width(side: int, narrow: float) -> int:
    """Channels of the encoder's block at `side` pixels (released: 16 at 512 px, doubling to 512 at 16 px and 8 px)."""
    return max(1, round(min(WIDEST, 8192 / side) * narrow))


class Map2Style(nn.Module):
    """E, the part into W+: one shared trunk, one linear layer per effective latent (after pSp, but one network for all).

    `shared` latents get the same code: those of the layers that the spatial code replaces, and the first after it.
    """

    def __init__(self, in_channels: int, in_size: int, style_channels: int, latents: int, shared: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for step in range(int(math.log2(in_size))):
            layers += [nn.Conv2d(in_channels if step == 0 else style_channels, style_channels, 3, 2, 1), nn.LeakyReLU()]
        self.convs = nn.Sequential(*layers)
        self.linear = nn.ModuleList(nn.Linear(style_channels, style_channels) for _ in range(latents - shared + 1))
        self.shared = shared

    def forward(self, x: Tensor) -> Tensor:
        """Latents (B, latents, style_channels)."""
        trunk = self.convs(x).flatten(1)
        first, *rest = (linear(trunk)[:, None] for linear in self.linear)
        return torch.cat([first.expand(-1, self.shared, -1), *rest], dim=1)


def style_conv_widths(generator: StyleGAN2Generator, conv: int) -> tuple[int, int]:
    """Output and input channels of style convolution `conv` (1, 2, ...)."""
    weight: Tensor = generator.get_parameter(f"style_convs.{conv - 1}.modulated_conv.weight")
    return weight.shape[1], weight.shape[2]


class SynthesisModule(nn.Module):
    """x_reg -> x_syn and f_syn. Keys are the released ones: `fencoder.*`, `wmodule.*`, `generator.*`.

    The generator's layers below `spatial_size` have no effect (its feature there is replaced), but stay in the state dict.
    """

    def __init__(self, generator: StyleGAN2Generator, spatial_size: int = 16, narrow: float = 1) -> None:
        super().__init__()
        level = int(math.log2(spatial_size // 4))
        if level < 1 or 4 << level != spatial_size or spatial_size * 4 > generator.out_size:
            raise ValueError(
                f"spatial_size {spatial_size}: a power of two from 8 to {generator.out_size // 4} is wanted"
            )
        self.generator = generator
        _, code_channels = style_conv_widths(generator, 2 * level)
        self.fencoder = FeatureEncoder(generator.out_size, spatial_size, code_channels, narrow)
        self.wmodule = Map2Style(
            self.fencoder.style_channels,
            2 * spatial_size,
            generator.num_style_feat,
            generator.num_latent,
            2 * level + 1,
        )
        self.fencoder.apply(kaiming_fan_out)
        self.wmodule.apply(kaiming_fan_out)

    @property
    def feature_channels(self) -> int:
        """Channels of f_syn."""
        return style_conv_widths(self.generator, 2 * self.generator.levels)[0]

    def encode(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(spatial code, latents (B, num_latent, D))`: the F/W+ code of an image."""
        code, style_input = self.fencoder(x)
        return code, self.wmodule(style_input)

    def both(self, x: Tensor, noise: Noise = "stored") -> tuple[Tensor, Tensor]:
        """`(x_syn (B,3,S,S) not clamped, f_syn (B,C,S,S))`; `stored` noise as in the released code, also in training."""
        code, latents = self.encode(x)
        image, f_syn = self.generator.synthesize(latents, Basecode(code), noise)
        return (image + 1) / 2, f_syn

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]
