"""GLEAN: an RRDB encoder, a StyleGAN2 that its features enter, and a decoder that reads the StyleGAN2's features.

Chan et al., "GLEAN: Generative Latent Bank for Large-Factor Image Super-Resolution", CVPR 2021 (arXiv 2012.00739).
State-dict keys are mmagic's (`GLEANStyleGANv2`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.images import check_size
from methods.networks.released import Renaming, release_names
from methods.networks.sizes import GLEAN_START
from ugpnet.nn.blocks import octaves
from ugpnet.nn.condition import Condition
from ugpnet.nn.resample import persist_kernels
from ugpnet.nn.rrdbnet import RRDB
from ugpnet.nn.stylegan2 import StyleGAN2Generator

HEAD_CHANNELS = 64
GENERATOR_NAMES: Renaming = (
    (r"^style_mlp\.(\d+)\.weight$", r"style_mlp.\1.linear.weight_orig"),
    (r"^style_mlp\.", "style_mapping."),
    (r"^constant_input\.weight$", "constant_input.input"),
    (r"^noises\.noise", "injected_noise_"),
    (r"^(style_conv1|style_convs\.\d+)\.weight$", r"\1.noise_injector.weight"),
    (r"^style_conv", "conv"),
    (r"modulated_conv\.weight$", "conv.weight_orig"),
    (r"modulated_conv\.modulation\.weight$", "conv.style_modulation.linear.weight_orig"),
    (r"modulated_conv\.modulation\.", "conv.style_modulation."),
    (r"modulated_conv\.", "conv."),
)


class LatentBank(Condition):
    """Fuses feature and image with the encoder's before they are enlarged, and keeps the features above its size.

    features: the encoder's, coarse to fine from 4 px; `out`, `skip`: one convolution of each size.
    """

    def __init__(self, features: Sequence[Tensor], out: nn.ModuleList, skip: nn.ModuleList) -> None:
        self.features, self.out, self.skip = features, out, skip
        self.generated: list[Tensor] = []

    def before_upsample(self, level: int, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        if level > len(self.features):
            return x, skip
        feature = self.features[level - 1]
        fused: Tensor = self.out[level - 1](torch.cat([x, feature], dim=1))
        image: Tensor = self.skip[level - 1](torch.cat([skip, feature], dim=1))
        return fused, image

    def after_conv(self, conv: int, x: Tensor) -> Tensor:
        if conv % 2 == 0 and conv // 2 >= len(self.features):
            self.generated.append(x)
        return x


class RRDBFeatures(nn.Module):
    """ESRGAN's trunk: (B, 3, h, w) -> (B, channels, h, w)."""

    def __init__(self, in_channels: int, channels: int, blocks: int, growth: int) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.body = nn.Sequential(*(RRDB(channels, growth) for _ in range(blocks)))
        self.conv_body = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        feature = self.conv_first(x)
        out: Tensor = feature + self.conv_body(self.body(feature))
        return out


class PixelShuffleUp(nn.Module):
    """(B, C, h, w) -> (B, C', 2h, 2w), without an activation."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.upsample_conv = nn.Conv2d(in_channels, 4 * out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.upsample_conv(x), 2)


class GLEAN(nn.Module):
    """Images (B, 3, in_size, in_size) in [-1, 1] -> (B, 3, out_size, out_size), the same, not clamped.

    It takes the generator over: `out_size` and widths are its own, and its entries get mmagic's names. The generator's
    image is thrown away, so what only makes it (`to_rgb*`, `fusion_skip`, `style_mapping`) has no effect and learns
    nothing. Released widths: `rrdb_channels` 64, `num_rrdbs` 23, `growth` 32.
    """

    def __init__(
        self, in_size: int, generator: StyleGAN2Generator, img_channels: int = 3, rrdb_channels: int = 64,
        num_rrdbs: int = 23, growth: int = 32,
    ) -> None:  # fmt: skip
        super().__init__()
        self.in_size, levels = in_size, octaves(in_size, GLEAN_START)
        width = generator_widths(generator)
        if levels >= generator.levels:
            raise ValueError(f"GLEAN enlarges {in_size} px; a generator of {generator.out_size} px is too small")
        self.generator = generator
        trunk = RRDBFeatures(img_channels, rrdb_channels, num_rrdbs, growth)
        latents = generator.num_latent * generator.num_style_feat
        self.encoder = _encoder(trunk, rrdb_channels, width[levels::-1], latents)
        self.fusion_out = nn.ModuleList(_conv(2 * channels, channels) for channels in width[: levels + 1])
        self.fusion_skip = nn.ModuleList(_conv(channels + 3, 3) for channels in width[: levels + 1])
        self.decoder = _decoder(width[levels:], img_channels)
        persist_kernels(generator)
        release_names(generator, GENERATOR_NAMES)

    def forward(self, lq: Tensor) -> Tensor:
        check_size(lq, self.in_size, "GLEAN")
        features = [lq]
        for block in self.encoder:
            features.append(block(features[-1]))
        *maps, code = features[1:]
        bank = LatentBank(maps[::-1], self.fusion_out, self.fusion_skip)
        self.generator.synthesize(code.view(len(lq), self.generator.num_latent, -1), bank, "stored")
        return self._decode(maps[0], bank.generated)

    def _decode(self, x: Tensor, generated: Sequence[Tensor]) -> Tensor:
        """From the encoder's feature at `in_size`; each further block also reads the generator's of its size."""
        first, *further = self.decoder
        x = first(x)
        for block, feature in zip(further, generated, strict=True):
            x = block(torch.cat([x, feature], dim=1))
        return x


def generator_widths(generator: StyleGAN2Generator) -> list[int]:
    """Channels of the generator's features at 4 px, 8 px and so on."""
    convs = [generator.style_conv1, *generator.style_convs[1::2]]
    return [conv.modulated_conv.weight.shape[1] for conv in convs]


def _encoder(trunk: nn.Module, channels: int, width: Sequence[int], latents: int) -> nn.ModuleList:
    """Maps from `in_size` down to 4 px, whose widths are `width`, and last all latents in a row."""
    blocks = [nn.Sequential(trunk, _conv(channels, width[0]), nn.LeakyReLU(0.2))]
    for wide, narrow in zip(width, width[1:], strict=False):
        half = nn.Conv2d(wide, narrow, 3, stride=2, padding=1)
        blocks.append(nn.Sequential(half, nn.LeakyReLU(0.2), _conv(narrow, narrow), nn.LeakyReLU(0.2)))
    linear = nn.Linear(width[-1] * GLEAN_START**2, latents)
    blocks.append(nn.Sequential(_conv(width[-1], width[-1]), nn.LeakyReLU(0.2), nn.Flatten(), linear))
    return nn.ModuleList(blocks)


def _decoder(width: Sequence[int], img_channels: int) -> nn.ModuleList:
    """One block per size from `in_size` on, whose widths are `width`; the last one makes the image."""
    reads = [width[0], *(2 * channels for channels in width[1:])]
    blocks: list[nn.Module] = [PixelShuffleUp(wide, narrow) for wide, narrow in zip(reads, width[1:], strict=False)]
    head = nn.Sequential(_conv(reads[-1], HEAD_CHANNELS), nn.LeakyReLU(0.2), _conv(HEAD_CHANNELS, img_channels))
    return nn.ModuleList([*blocks, head])


def _conv(in_channels: int, out_channels: int) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out_channels, 3, padding=1)


def own_entries(checkpoint: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Those of the restoration network in a file of mmagic's, which also holds discriminator and VGG."""
    prefix = "generator_ema." if any(name.startswith("generator_ema.") for name in checkpoint) else "generator."
    if not any(name.startswith(f"{prefix}encoder.") for name in checkpoint):
        return checkpoint
    return {name.removeprefix(prefix): value for name, value in checkpoint.items() if name.startswith(prefix)}
