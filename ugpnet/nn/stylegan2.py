"""The StyleGAN2 generator, the only one of the project. State-dict keys are BasicSR's."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal, TypeAlias

import torch
from torch import Tensor, nn

from ugpnet.nn.blocks import EqualLinear, PixelNorm, channels_at, octaves, prefer_layout
from ugpnet.nn.condition import Condition
from ugpnet.nn.modulation import Injection, StyleConv, ToRGB
from ugpnet.nn.resample import BINOMIAL

Noise: TypeAlias = Literal["random", "stored"] | Sequence[Tensor]
"""Fresh maps for every sample, the maps of the state dict, or one given map per style convolution."""


class SynthesisNetwork(nn.Module):
    """Features and latents -> image: style convolutions at doubling sizes, each level adding to an RGB image.

    `num_latent` latents steer it: number i the style convolution i, number 2k + 1 also the RGB layer of level k.
    Sub-classes replace the layer types.
    """

    style_conv_type: ClassVar[type[StyleConv]] = StyleConv
    to_rgb_type: ClassVar[type[ToRGB]] = ToRGB

    def __init__(
        self,
        out_size: int,
        num_style_feat: int = 512,
        channel_multiplier: float = 2,
        resample_kernel: Sequence[float] = BINOMIAL,
        narrow: float = 1,
        start_size: int = 4,
        injection: Injection = "add",
    ) -> None:
        super().__init__()
        self.out_size, self.start_size, self.injection = out_size, start_size, injection
        self.channel_multiplier, self.narrow = channel_multiplier, narrow
        self.levels = octaves(out_size, start_size)
        self.num_latent = 2 * self.levels + 2
        width = [channels_at(start_size << level, channel_multiplier, narrow) for level in range(self.levels + 1)]
        wide = [channels * (2 if injection == "concat" else 1) for channels in width]

        def conv(in_channels: int, out_channels: int, upsample: bool) -> StyleConv:
            return self.style_conv_type(in_channels, out_channels, num_style_feat, upsample, resample_kernel, injection)

        self.style_conv1 = conv(width[0], width[0], upsample=False)
        self.to_rgb1 = self.to_rgb_type(wide[0], num_style_feat, False, resample_kernel)
        self.style_convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        for level in range(1, self.levels + 1):
            self.style_convs.append(conv(wide[level - 1], width[level], upsample=True))
            self.style_convs.append(conv(wide[level], width[level], upsample=False))
            self.to_rgbs.append(self.to_rgb_type(wide[level], num_style_feat, True, resample_kernel))
        self.noises = nn.Module()
        if injection == "add":
            for index, shape in enumerate(self.noise_shapes()):
                self.noises.register_buffer(f"noise{index}", torch.randn(shape))

    def noise_shapes(self, batch: int = 1) -> list[tuple[int, int, int, int]]:
        """Shape of the noise map of each style convolution."""
        sizes = [self.start_size << (index + 1) // 2 for index in range(2 * self.levels + 1)]
        return [(batch, 1, size, size) for size in sizes]

    def synthesize_from(
        self,
        x: Tensor,
        latents: Tensor,
        condition: Condition | None = None,
        noise: Noise = "random",
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """(image (B, 3, S, S), the feature (B, C, S, S) that its last RGB layer reads).

        x (B, C, 4, 4) enters style convolution 0, latents (B, num_latent, D). Random noise comes from `generator`.
        """
        steer, maps = condition or Condition(), self._noise_maps(noise, latents, generator)

        def convolve(conv: int, x: Tensor) -> Tensor:
            layer = self.style_convs[conv - 1] if conv else self.style_conv1
            x = layer(x, latents[:, conv], maps[conv], partial(steer.before_activation, conv))
            return steer.after_conv(conv, x)

        def render(level: int, x: Tensor, skip: Tensor | None = None) -> Tensor:
            layer = self.to_rgbs[level - 1] if level else self.to_rgb1
            image: Tensor = layer(x, latents[:, 2 * level + 1], skip)
            return image

        code = steer.start()
        begun = 0 if code is None else octaves(code.shape[-1], self.start_size)
        x = convolve(2 * begun, prefer_layout(x if code is None else code))
        image = render(begun, x)
        for level in range(begun + 1, self.levels + 1):
            x, image = steer.before_upsample(level, x, image)
            x = convolve(2 * level, convolve(2 * level - 1, x))
            image = render(level, x, image)
        return image, x

    def _noise_maps(self, noise: Noise, latents: Tensor, generator: torch.Generator | None) -> Sequence[Tensor]:
        if not isinstance(noise, str):
            return noise
        if self.injection == "concat":
            raise ValueError(f"noise={noise!r}: a generator with injection='concat' takes the encoder's maps as noise")
        if noise == "stored":
            return [buffer.to(latents.dtype) for buffer in self.noises.buffers()]
        shapes = self.noise_shapes(latents.shape[0])
        return [draw_normal(shape, latents, generator) for shape in shapes]


class ConstantInput(nn.Module):
    """The learned feature from which every image starts."""

    def __init__(self, channels: int, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, channels, size, size))

    def forward(self, batch: int) -> Tensor:
        return self.weight.expand(batch, -1, -1, -1)


class StyleGAN2Generator(SynthesisNetwork):
    """StyleGAN2 (arXiv 1912.04958): Gaussian code z (B, D) -> latent w (B, D) -> RGB image, nominally in [-1, 1].

    `synthesize` is the part that restoration networks steer with latents of their own and a `Condition`.
    out_size: 8 to 1024 and a power of two; `narrow` scales every width, `channel_multiplier` those above 32 px.
    """

    def __init__(
        self,
        out_size: int,
        num_style_feat: int = 512,
        num_mlp: int = 8,
        channel_multiplier: float = 2,
        resample_kernel: Sequence[float] = BINOMIAL,
        lr_mlp: float = 0.01,
        narrow: float = 1,
        injection: Injection = "add",
    ) -> None:
        super().__init__(out_size, num_style_feat, channel_multiplier, resample_kernel, narrow, injection=injection)
        self.num_style_feat = num_style_feat
        self.style_mlp = self.make_style_mlp(num_style_feat, num_mlp, lr_mlp)
        self.constant_input = ConstantInput(channels_at(4, channel_multiplier, narrow), size=4)

    def make_style_mlp(self, num_style_feat: int, num_mlp: int, lr_mlp: float) -> nn.Sequential:
        layers = [EqualLinear(num_style_feat, num_style_feat, lr_mul=lr_mlp, activate=True) for _ in range(num_mlp)]
        return nn.Sequential(PixelNorm(), *layers)

    def map(self, z: Tensor) -> Tensor:
        """Latent w (B, D) of a Gaussian code z (B, D)."""
        w: Tensor = self.style_mlp(z)
        return w

    def mean_latent(self, count: int = 4096, generator: torch.Generator | None = None) -> Tensor:
        """Mean (1, D) of the latents of `count` random codes, towards which truncation moves."""
        z = draw_normal((count, self.num_style_feat), self.constant_input.weight, generator)
        return self.map(z).mean(0, keepdim=True)

    def synthesize(
        self,
        latents: Tensor,
        condition: Condition | None = None,
        noise: Noise = "random",
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """(image (B, 3, S, S), the feature (B, C, S, S) before the last RGB layer) of latents (B, num_latent, D)."""
        x = self.constant_input(latents.shape[0])
        return self.synthesize_from(x, latents, condition, noise, generator)

    def forward(
        self,
        styles: Tensor | Sequence[Tensor],
        *,
        input_is_latent: bool = False,
        noise: Noise = "random",
        inject_index: int | None = None,
        truncation: float = 1.0,
        truncation_latent: Tensor | None = None,
        return_latents: bool = False,
        generator: torch.Generator | None = None,
    ) -> Tensor | tuple[Tensor, Tensor]:
        """Image (B, 3, S, S), with `return_latents` also the latents (B, num_latent, D).

        styles: one code (B, D), or two whose latents are mixed: the first up to `inject_index` (drawn if None), the
        second from there on. `input_is_latent` takes w, (B, D) or (B, num_latent, D), in place of z. A `truncation`
        below 1 moves latents towards `truncation_latent`, `mean_latent()` for instance.
        """
        ws = [styles] if isinstance(styles, Tensor) else list(styles)
        if not input_is_latent:
            ws = [self.map(z) for z in ws]
        if truncation < 1:
            if truncation_latent is None:
                raise ValueError("truncation below 1 needs truncation_latent: pass mean_latent()")
            ws = [torch.lerp(truncation_latent.expand_as(w), w, truncation) for w in ws]
        latents = self.mix(ws, inject_index, generator)
        image, _ = self.synthesize(latents, None, noise, generator)
        return (image, latents) if return_latents else image

    def mix(
        self, ws: Sequence[Tensor], inject_index: int | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Latents (B, num_latent, D) of one w, (B, D) or already (B, num_latent, D), or of two with a crossover."""
        first, last = ws[0], ws[-1]
        if len(ws) == 1:
            return first if first.ndim == 3 else first[:, None].repeat(1, self.num_latent, 1)
        if inject_index is None:
            inject_index = int(torch.randint(1, self.num_latent, (), generator=generator))
        after = self.num_latent - inject_index
        return torch.cat([first[:, None].repeat(1, inject_index, 1), last[:, None].repeat(1, after, 1)], dim=1)


def draw_normal(shape: Sequence[int], like: Tensor, generator: torch.Generator | None) -> Tensor:
    """Standard normal tensor of `like`'s type and device, drawn where the generator lives."""
    device = like.device if generator is None else generator.device
    return torch.randn(shape, generator=generator, device=device, dtype=like.dtype).to(like.device)
