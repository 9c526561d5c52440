"""The StyleGAN2 discriminator and its released variants. State-dict keys are BasicSR's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from ugpnet.nn.blocks import SLOPE, ConvLayer, EqualLinear, ResBlock, channels_at, octaves
from ugpnet.nn.resample import BINOMIAL
from ugpnet.nn.spectral import SpectralConvLayer, SpectralLinear

StddevGroup: TypeAlias = int | Literal["batch"] | None
"""Samples per group: a number (BasicSR: 4), the whole batch (GPEN), or no such channel (GCFSR)."""


def minibatch_stddev(x: Tensor, group: int) -> Tensor:
    """x (B, C, H, W) with one channel more: the mean over (C, H, W) of the standard deviation over a group.

    min(group, B) must divide B, else ValueError; sample n belongs to group n mod (B / group). Source: arXiv 1710.10196.
    """
    batch, _, height, width = x.shape
    group = min(group, batch)
    if batch % group:
        raise ValueError(f"minibatch stddev: {batch} samples do not fall into groups of {group}; use a multiple of it")
    variance = x.reshape(group, batch // group, -1).var(0, unbiased=False)
    deviation = torch.sqrt(variance + 1e-8).mean(1)
    return torch.cat([x, deviation.repeat(group).reshape(batch, 1, 1, 1).expand(-1, 1, height, width)], dim=1)


class StyleGAN2Discriminator(nn.Module):
    """Image (B, 3, S, S) -> logit (B, 1), S = out_size (arXiv 1912.04958).

    `layers`: "equalised", or "spectral" for spectrally normalised layers without gain (VQFR, stage 2).
    Neighbours in a batch influence each other unless `stddev_group` is None.
    """

    def __init__(
        self,
        out_size: int,
        channel_multiplier: float = 2,
        resample_kernel: Sequence[float] = BINOMIAL,
        stddev_group: StddevGroup = 4,
        narrow: float = 1,
        layers: Literal["equalised", "spectral"] = "equalised",
    ) -> None:
        super().__init__()
        self.stddev_group = stddev_group
        levels = octaves(out_size)
        width = [channels_at(out_size >> level, channel_multiplier, narrow) for level in range(levels + 1)]
        layer = ConvLayer if layers == "equalised" else SpectralConvLayer
        blocks = [ResBlock(width[level], width[level + 1], resample_kernel, layer) for level in range(levels)]
        self.conv_body = nn.Sequential(layer(3, width[0], 1), *blocks)
        self.final_conv = layer(width[-1] + (stddev_group is not None), width[-1], 3)
        self.final_linear = _equalised_head(width[-1]) if layers == "equalised" else _spectral_head(width[-1])

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_body(x)
        if self.stddev_group is not None:
            x = minibatch_stddev(x, len(x) if self.stddev_group == "batch" else self.stddev_group)
        logit: Tensor = self.final_linear(self.final_conv(x).flatten(1))
        return logit


def _equalised_head(channels: int) -> nn.Sequential:
    return nn.Sequential(EqualLinear(channels * 16, channels, activate=True), EqualLinear(channels, 1))


def _spectral_head(channels: int) -> nn.Sequential:
    hidden, logit = SpectralLinear(channels * 16, channels), SpectralLinear(channels, 1)
    return nn.Sequential(hidden, nn.LeakyReLU(SLOPE), logit)
