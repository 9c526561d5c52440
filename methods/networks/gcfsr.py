"""GCFSR: an encoder whose maps steer a StyleGAN2 synthesis from 16 px on, as much as a strength says. Released keys.

He et al., "GCFSR: a Generative and Controllable Face Super Resolution Method Without Facial and GAN Priors", CVPR 2022
(arXiv 2203.07319).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import torch
from torch import Tensor, nn

from methods.networks.images import check_size
from methods.networks.sizes import GCFSR_START
from ugpnet.nn.blocks import ConvLayer, EqualLinear, channels_at
from ugpnet.nn.condition import Condition
from ugpnet.nn.resample import BINOMIAL
from ugpnet.nn.stylegan2 import Noise, SynthesisNetwork


class FeatureModulation(Condition):
    """x * s1 + shift * s2 before the activation of the convolutions that do not up-sample (Sec. 3.3).

    scales: one (s1, s2) per level, coarse to fine, each (B or 1, C); shifts: one (B, C, h, w) per level. Every
    channel's two scales are brought to length one.
    """

    def __init__(self, scales: Sequence[tuple[Tensor, Tensor]], shifts: Sequence[Tensor]) -> None:
        self.scales, self.shifts = scales, shifts

    def before_activation(self, conv: int, x: Tensor) -> Tensor:
        if conv % 2:
            return x
        s1, s2 = self.scales[conv // 2]
        norm = torch.rsqrt(s1.square() + s2.square() + 1e-8)
        return x * (s1 * norm)[:, :, None, None] + self.shifts[conv // 2] * (s2 * norm)[:, :, None, None]


class GCFSR(SynthesisNetwork):
    """Images (B, 3, out_size, out_size) in [-1, 1], enlarged beforehand, and a strength (B, 1) -> restored, the same.

    The strength is the enlargement over a constant, 32 at 512 px and 64 at 1024 px; more makes up more detail. Noise is
    fresh unless given, in evaluation too. The released code only knows `narrow` = 1.
    """

    squeeze: ClassVar[int] = 2
    """What the width of the last encoder map, which becomes the latents, is divided by."""

    def __init__(
        self,
        out_size: int,
        num_style_feat: int = 512,
        channel_multiplier: float = 2,
        resample_kernel: Sequence[float] = BINOMIAL,
        narrow: float = 1,
    ) -> None:
        super().__init__(out_size, num_style_feat, channel_multiplier, resample_kernel, narrow, GCFSR_START)
        width = [channels_at(out_size >> level, channel_multiplier, narrow) for level in range(self.levels + 1)]
        coarse, last = width[-1], max(1, width[-1] // self.squeeze)

        def down(in_channels: int, out_channels: int) -> ConvLayer:
            return ConvLayer(in_channels, out_channels, 3, True, resample_kernel)

        self.conv_body_first = ConvLayer(3, width[0], 3)
        self.conv_body_down = nn.ModuleList(map(down, width, width[1:]))
        self.final_conv = ConvLayer(coarse, coarse, 3)
        self.final_down1, self.final_down2 = down(coarse, coarse), down(coarse, last)
        self.final_linear = EqualLinear(last * 16, num_style_feat * self.num_latent, activate=True)
        self.condition_scale1 = nn.ModuleList(EqualLinear(1, channels) for channels in width)
        self.condition_scale2 = nn.ModuleList(EqualLinear(1, channels) for channels in width)
        self.condition_shift = nn.ModuleList(ConvLayer(channels, channels, 3, activate=False) for channels in width)
        self._keep_released_noises()

    def _keep_released_noises(self) -> None:
        """The released state dict holds maps of a generator that starts at 4 px: of wrong sizes here, and never used."""
        for index in range(2 * self.levels + 1):
            side = 4 << (index + 1) // 2
            self.noises.register_buffer(f"noise{index}", torch.randn(1, 1, side, side))

    def forward(
        self, x: Tensor, strength: Tensor | None = None, noise: Noise = "random",
        generator: torch.Generator | None = None,
    ) -> Tensor:  # fmt: skip
        return self.synthesize(x, strength, noise, generator)[0]

    def synthesize(
        self, x: Tensor, strength: Tensor | None = None, noise: Noise = "random",
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        """(restored, latents (B, num_latent, num_style_feat)); a strength (1, 1) is that of all images, None is 1."""
        check_size(x, self.out_size, "GCFSR")
        if noise == "stored":
            raise ValueError("noise='stored': GCFSR's stored maps do not fit its sizes; give maps, or 'random'")
        maps = [self.conv_body_first(x)]
        for layer in self.conv_body_down:
            maps.append(layer(maps[-1]))
        code = self.final_linear(self.final_down2(self.final_down1(maps[-1])).flatten(1))
        latents = code.view(len(x), self.num_latent, -1)
        condition = self._condition(maps, x.new_ones(1, 1) if strength is None else strength)
        return self.synthesize_from(self.final_conv(maps[-1]), latents, condition, noise, generator)[0], latents

    def _condition(self, maps: Sequence[Tensor], strength: Tensor) -> FeatureModulation:
        """From the encoder's maps, which run from fine to coarse."""
        scales = [
            (first(strength), second(strength))
            for first, second in zip(self.condition_scale1, self.condition_scale2, strict=True)
        ]
        shifts = [shift(feature) for shift, feature in zip(self.condition_shift, maps, strict=True)]
        return FeatureModulation(scales[::-1], shifts[::-1])


class GCFSRBlind(GCFSR):
    """The variant for unknown degradations: always at full strength, and with wider latents' input."""

    squeeze: ClassVar[int] = 1
