"""VQGAN as VQFR's first version has it (arXiv 2205.06803): the first stage, and the parts that the second keeps.

Images are (B, 3, H, W) in [-1, 1]; H and W are multiples of `size_multiple`. Levels go by how much smaller their maps
are: `Level_1` to `Level_32` in the released models.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from operator import mul
from typing import cast

from torch import Tensor, nn

from methods.networks.vq_codebook import ProjectedQuantizer, Quantized
from methods.networks.vq_layers import (
    BilinearDown,
    BilinearUp,
    ResnetBlock,
    apply_if_there,
    convolve,
    head,
    level_name,
)


class Levels:
    """Names, widths and resize rates of the levels, fine to coarse."""

    def __init__(self, base_channels: int, channel_multipliers: Sequence[int], rates: Sequence[int]) -> None:
        if len(channel_multipliers) != len(rates):
            raise ValueError(f"{len(channel_multipliers)} channel_multipliers but {len(rates)} resolution_scale_rates")
        self.downscale = tuple(accumulate(rates, mul))
        self.names = tuple(level_name(downscale) for downscale in self.downscale)
        self.channels = tuple(base_channels * multiplier for multiplier in channel_multipliers)
        self.down_rates = tuple(rates)
        # The released decoders read the encoder's list backwards; on the released lists that is what should be meant.
        self.up_rates = tuple(reversed(rates))


def blocks(channels: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResnetBlock(channels, channels, "shortcut_conv") for _ in range(count)))


def up_layers(levels: Levels, first: int) -> nn.ModuleDict:
    """The layers that lead into the levels `first`, `first` - 1, ..., 0; none where the rate is 1."""
    coarsest = len(levels.names) - 1
    return nn.ModuleDict({
        levels.names[i]: BilinearUp(levels.channels[min(i + 1, coarsest)], levels.channels[i], levels.up_rates[i])
        for i in range(first, -1, -1)
        if levels.up_rates[i] > 1
    })  # fmt: skip


class Encoder(nn.Module):
    """Image -> features (B, C, h, w) of the coarsest level."""

    def __init__(self, levels: Levels, num_blocks: int) -> None:
        super().__init__()
        channels = levels.channels
        self.conv_in = convolve(3, channels[0])
        self.encoder_dict = nn.ModuleDict(
            {name: blocks(width, num_blocks) for name, width in zip(levels.names, channels, strict=True)}
        )
        self.pre_downsample_dict = nn.ModuleDict({
            name: BilinearDown(channels[max(i - 1, 0)], channels[i], rate)
            for i, (name, rate) in enumerate(zip(levels.names, levels.down_rates, strict=True))
            if rate > 1
        })  # fmt: skip
        self.enc_convout_dict = nn.ModuleDict({levels.names[-1]: head(channels[-1], channels[-1])})

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for name, level in self.encoder_dict.items():
            x = level(apply_if_there(self.pre_downsample_dict, name, x))
        return apply_if_there(self.enc_convout_dict, name, x)


class Decoder(nn.Module):
    """Features of the coarsest level -> (image, the features of every level by name)."""

    def __init__(self, levels: Levels, num_blocks: int) -> None:
        super().__init__()
        self.pre_upsample_dict = up_layers(levels, len(levels.names) - 1)
        pairs: Iterable[tuple[str, int]] = zip(reversed(levels.names), reversed(levels.channels), strict=True)
        self.decoder_dict = nn.ModuleDict({name: blocks(channels, num_blocks) for name, channels in pairs})
        self.conv_out = head(levels.channels[0], 3)

    def forward(self, x: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        features = {}
        for name, level in self.decoder_dict.items():
            x = features[name] = level(apply_if_there(self.pre_upsample_dict, name, x))
        return self.conv_out(x), features


class LevelQuantizers(nn.Module):
    """One quantiser by the name of its level."""

    def __init__(self, name: str, quantizer: ProjectedQuantizer) -> None:
        super().__init__()
        self.quantize_dict = nn.ModuleDict({name: quantizer})


class VQAutoencoderV1(nn.Module):
    """Encoder, dictionary and decoder; `z` and codes are (B, code_dim, h, w)."""

    def __init__(
        self,
        base_channels: int = 128,
        channel_multipliers: Sequence[int] = (1, 1, 2, 2, 2, 4),
        resolution_scale_rates: Sequence[int] = (1, 2, 2, 2, 2, 2),
        encoder_num_blocks: int = 2,
        decoder_num_blocks: int = 3,
        num_code: int = 1024,
        code_dim: int = 256,
    ) -> None:
        super().__init__()
        self.levels = Levels(base_channels, channel_multipliers, resolution_scale_rates)
        self.size_multiple = self.levels.downscale[-1]
        self.encoder = Encoder(self.levels, encoder_num_blocks)
        self.decoder = Decoder(self.levels, decoder_num_blocks)
        codebook = ProjectedQuantizer(self.levels.channels[-1], num_code, code_dim)
        self.quantizer = LevelQuantizers(self.levels.names[-1], codebook)

    @property
    def codebook(self) -> ProjectedQuantizer:
        return cast(ProjectedQuantizer, self.quantizer.quantize_dict[self.levels.names[-1]])

    def encode(self, x: Tensor) -> Tensor:
        """z of an image, not yet quantised."""
        z: Tensor = self.codebook.quant_conv(self.encoder(x))
        return z

    def decode(self, code: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """(image, decoder features by level)."""
        decoded: tuple[Tensor, Mapping[str, Tensor]] = self.decoder(self.codebook.post_quant_conv(code))
        return decoded


class VQGANv1(VQAutoencoderV1):
    """Image -> (its reconstruction from dictionary entries, `Quantized`)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Quantized]:
        quantized: Quantized = self.codebook(self.encode(x))
        return self.decode(quantized.code)[0], quantized
