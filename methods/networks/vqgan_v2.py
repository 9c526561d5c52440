"""VQGAN as VQFR's second version has it: strided convolutions, attention at the coarsest level, a bare dictionary.

Images are (B, 3, H, W) in [-1, 1]; H and W are multiples of `size_multiple`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from methods.networks.vq_codebook import Quantized, VectorQuantizer
from methods.networks.vq_layers import (
    AttentionBlock,
    NearestUp,
    ResnetBlock,
    StridedDown,
    convolve,
    head,
    level_name,
)


def block(in_channels: int, out_channels: int) -> ResnetBlock:
    return ResnetBlock(in_channels, out_channels, "residual_func")


def level(in_channels: int, out_channels: int, count: int, attention: bool) -> list[nn.Module]:
    """`count` residual blocks, each followed by attention if wanted."""
    layers: list[nn.Module] = []
    for index in range(count):
        layers.append(block(out_channels if index else in_channels, out_channels))
        layers += [AttentionBlock(out_channels)] if attention else []
    return layers


def middle(channels: int, attention: bool) -> nn.Sequential:
    between = [AttentionBlock(channels)] if attention else []
    return nn.Sequential(block(channels, channels), *between, block(channels, channels))


class Encoder(nn.Module):
    """Image -> z (B, code_dim, h, w); `channels` are the widths of the levels, fine to coarse."""

    def __init__(self, channels: Sequence[int], num_blocks: int, attention: bool, code_dim: int) -> None:
        super().__init__()
        coarsest = len(channels) - 1
        self.conv_in = convolve(3, channels[0])
        self.blocks = nn.ModuleList()
        for i, width in enumerate(channels):
            before = channels[max(i - 1, 0)]
            down = [StridedDown(before)] if i else []
            self.blocks.append(nn.Sequential(*down, *level(before, width, num_blocks, attention and i == coarsest)))
        self.mid_blocks = middle(channels[-1], attention)
        self.conv_out = head(channels[-1], code_dim)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for layers in self.blocks:
            x = layers(x)
        z: Tensor = self.conv_out(self.mid_blocks(x))
        return z


class Decoder(nn.Module):
    """Codes -> (image, the features of every level by name)."""

    def __init__(self, channels: Sequence[int], num_blocks: int, attention: bool, code_dim: int) -> None:
        super().__init__()
        coarsest = len(channels) - 1
        self.names = [level_name(1 << i) for i in reversed(range(len(channels)))]
        self.conv_in = convolve(code_dim, channels[-1])
        self.mid_blocks = middle(channels[-1], attention)
        self.blocks = nn.ModuleList()
        for i in reversed(range(len(channels))):
            before = channels[min(i + 1, coarsest)]
            up = [NearestUp(before)] if i < coarsest else []
            self.blocks.append(nn.Sequential(*up, *level(before, channels[i], num_blocks, attention and i == coarsest)))
        self.conv_out = head(channels[0], 3)

    def forward(self, code: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        x, features = self.mid_blocks(self.conv_in(code)), {}
        for name, layers in zip(self.names, self.blocks, strict=True):
            x = features[name] = layers(x)
        return self.conv_out(x), features


class VQAutoencoderV2(nn.Module):
    """Encoder, dictionary and decoder; `z` and codes are (B, code_dim, h, w)."""

    def __init__(
        self,
        base_channels: int = 64,
        channel_multipliers: Sequence[int] = (1, 2, 2, 4, 4, 8),
        num_enc_blocks: int = 2,
        use_enc_attention: bool = True,
        num_dec_blocks: int = 2,
        use_dec_attention: bool = True,
        num_code: int = 1024,
        code_dim: int = 256,
    ) -> None:
        super().__init__()
        self.channels = tuple(base_channels * multiplier for multiplier in channel_multipliers)
        self.size_multiple = 1 << (len(self.channels) - 1)
        self.encoder = Encoder(self.channels, num_enc_blocks, use_enc_attention, code_dim)
        self.decoder = Decoder(self.channels, num_dec_blocks, use_dec_attention, code_dim)
        self.quantizer = VectorQuantizer(num_code, code_dim)

    @property
    def codebook(self) -> VectorQuantizer:
        return self.quantizer

    def encode(self, x: Tensor) -> Tensor:
        """z of an image, not yet quantised."""
        z: Tensor = self.encoder(x)
        return z

    def decode(self, code: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """(image, decoder features by level)."""
        decoded: tuple[Tensor, Mapping[str, Tensor]] = self.decoder(code)
        return decoded


class VQGANv2(VQAutoencoderV2):
    """Image -> (its reconstruction from dictionary entries, `Quantized`)."""

    def forward(self, x: Tensor) -> tuple[Tensor, Quantized]:
        quantized: Quantized = self.codebook(self.encode(x))
        return self.decode(quantized.code)[0], quantized
