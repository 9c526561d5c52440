"""NAFNet and its test-time local variant, with the released state-dict keys.

Chen et al., "Simple Baselines for Image Restoration", ECCV 2022; Chu et al., "Improving Image Restoration by
Revisiting Global Information Aggregation" (TLC), ECCV 2022. Released files: megvii-research/NAFNet @2b4af71.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.padding import crop_like, pad_to_multiple

Pool = Callable[[int], nn.Module]
"""Makes the average pool of the channel attention at a level (0 is full resolution)."""


class LayerNorm2d(nn.Module):
    """Layer normalisation over the channels of every pixel; same shape, channels-last memory."""

    def __init__(self, channels: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        pixels = x.permute(0, 2, 3, 1)  # a view without a copy if `x` is channels-last
        return F.layer_norm(pixels, self.weight.shape, self.weight, self.bias, self.eps).permute(0, 3, 1, 2)


class NAFBlock(nn.Module):
    """Gated depthwise convolution with channel attention, then a gated feed-forward; both residual.

    `beta` and `gamma` start at zero, so that a fresh block is the identity.
    """

    def __init__(self, channels: int, pool: nn.Module, dw_expand: int = 2, ffn_expand: int = 2,
                 drop_out_rate: float = 0.0) -> None:  # fmt: skip
        super().__init__()
        wide, inner = channels * dw_expand, channels * ffn_expand
        self.conv1 = nn.Conv2d(channels, wide, 1)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.conv3 = nn.Conv2d(wide // 2, channels, 1)
        self.sca = nn.Sequential(pool, nn.Conv2d(wide // 2, wide // 2, 1))
        self.conv4 = nn.Conv2d(channels, inner, 1)
        self.conv5 = nn.Conv2d(inner // 2, channels, 1)
        self.norm1 = LayerNorm2d(channels)
        self.norm2 = LayerNorm2d(channels)
        self.dropout1 = nn.Dropout(drop_out_rate) if drop_out_rate > 0 else nn.Identity()
        self.dropout2 = nn.Dropout(drop_out_rate) if drop_out_rate > 0 else nn.Identity()
        self.beta = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        mixed = _gate(self.conv2(self.conv1(self.norm1(x))))
        mixed = self.dropout1(self.conv3(mixed * self.sca(mixed)))
        x = torch.addcmul(x, mixed, self.beta)
        fed = self.dropout2(self.conv5(_gate(self.conv4(self.norm2(x)))))
        return torch.addcmul(x, fed, self.gamma)


def _gate(x: Tensor) -> Tensor:
    """First half of the channels times the second half."""
    first, second = x.chunk(2, dim=1)
    return first * second


class NAFNet(nn.Module):
    """Restored images (B, 3, h, w) of any size: the input plus a predicted residual, not clamped.

    The input is zero-padded at the right and the bottom to a multiple of `2 ** len(enc_blk_nums)` and the
    output cropped back. Widths double per encoder level. `enc_blk_nums` and `dec_blk_nums` are blocks per
    level, encoder from fine to coarse, decoder from coarse to fine.
    """

    scale = 1
    residual = True

    def __init__(self, img_channel: int = 3, width: int = 32, middle_blk_num: int = 12,
                 enc_blk_nums: Sequence[int] = (2, 2, 4, 8), dec_blk_nums: Sequence[int] = (2, 2, 2, 2),
                 *, dw_expand: int = 2, ffn_expand: int = 2, drop_out_rate: float = 0.0,
                 pool: Pool = lambda level: nn.AdaptiveAvgPool2d(1)) -> None:  # fmt: skip
        super().__init__()
        if len(enc_blk_nums) != len(dec_blk_nums):
            raise ValueError(f"{len(enc_blk_nums)} encoder levels but {len(dec_blk_nums)} decoder levels")

        def blocks(count: int, level: int) -> nn.Sequential:
            expands = (dw_expand, ffn_expand)
            return nn.Sequential(
                *(NAFBlock(width << level, pool(level), *expands, drop_out_rate) for _ in range(count))
            )

        levels = range(len(enc_blk_nums))
        self.intro = nn.Conv2d(img_channel, width, 3, padding=1)
        self.ending = nn.Conv2d(width, img_channel, 3, padding=1)
        self.encoders = nn.ModuleList(blocks(enc_blk_nums[level], level) for level in levels)
        self.downs = nn.ModuleList(nn.Conv2d(width << level, 2 * width << level, 2, 2) for level in levels)
        self.middle_blks = blocks(middle_blk_num, len(levels))
        self.ups = nn.ModuleList(_upsample(2 * width << level) for level in reversed(levels))
        self.decoders = nn.ModuleList(
            blocks(count, level) for count, level in zip(dec_blk_nums, reversed(levels), strict=True)
        )
        self.feature_channels = width
        self.size_multiple = 1 << len(levels)

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]

    def features(self, x: Tensor) -> Tensor:
        """The last decoder output, (B, width, h, w)."""
        return crop_like(self._decode(self._pad(x)), x)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(restored, features)` from one forward pass."""
        padded = self._pad(x)
        feature = self._decode(padded)
        return crop_like(self.ending(feature) + padded, x), crop_like(feature, x)

    def _pad(self, x: Tensor) -> Tensor:
        return pad_to_multiple(x, self.size_multiple, "constant")

    def _decode(self, padded: Tensor) -> Tensor:
        # Channels-last throughout: layer norm and 1x1 convolutions then read a pixel's channels in one piece.
        feature: Tensor = self.intro(padded.contiguous(memory_format=torch.channels_last))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            feature = encoder(feature)
            skips.append(feature)
            feature = down(feature)
        feature = self.middle_blks(feature)
        for up, decoder, skip in zip(self.ups, self.decoders, reversed(skips), strict=True):
            feature = decoder(up(feature) + skip)
        return feature


def _upsample(channels: int) -> nn.Sequential:
    """Twice the size, half the channels."""
    return nn.Sequential(nn.Conv2d(channels, 2 * channels, 1, bias=False), nn.PixelShuffle(2))


class LocalAveragePool(nn.Module):
    """Sliding mean over a `window` (height, width), (B, C, h, w) -> the same shape (TLC, Sec. 3.3).

    Positions whose window would leave the map repeat the nearest mean inside. A window that covers the whole
    map gives the global mean, (B, C, 1, 1).
    """

    def __init__(self, window: tuple[int, int]) -> None:
        super().__init__()
        self.window = window

    def forward(self, x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        if self.window[0] >= height and self.window[1] >= width:
            return x.mean((-2, -1), keepdim=True)
        means = _moving_mean(_moving_mean(x, self.window[1], -1), self.window[0], -2)
        rows, columns = height - means.shape[-2], width - means.shape[-1]
        margins = (columns // 2, (columns + 1) // 2, rows // 2, (rows + 1) // 2)
        return F.pad(means, margins, mode="replicate")


def _moving_mean(x: Tensor, window: int, dim: int) -> Tensor:
    """Means of `window` neighbours along `dim`, stride 1, fully inside.

    One axis at a time: running sums stay small, and so does their rounding, unlike in the released integral
    image.
    """
    size = x.shape[dim]
    window = min(window, size)
    sums = x.cumsum(dim, dtype=torch.promote_types(x.dtype, torch.float32))
    tail = sums.narrow(dim, window - 1, size - window + 1)
    before = F.pad(sums, (1, 0) if dim == -1 else (0, 0, 1, 0)).narrow(dim, 0, size - window + 1)
    return ((tail - before) / window).to(x.dtype)


class NAFNetLocal(NAFNet):
    """NAFNet whose channel attention averages over windows instead of the whole image (TLC).

    Same parameters and keys. `train_size` is the (height, width) of training patches; a window spans
    `base_size / train_size` of the level's map of such a patch, by default 1.5, and is fixed for every later
    input. The released code's approximate fast pooling (`fast_imp`) is not offered.
    """

    def __init__(self, img_channel: int = 3, width: int = 32, middle_blk_num: int = 1,
                 enc_blk_nums: Sequence[int] = (1, 1, 1, 28), dec_blk_nums: Sequence[int] = (1, 1, 1, 1),
                 *, train_size: tuple[int, int] = (256, 256), base_size: tuple[int, int] | None = None,
                 dw_expand: int = 2, ffn_expand: int = 2, drop_out_rate: float = 0.0) -> None:  # fmt: skip
        spans = base_size or (int(train_size[0] * 1.5), int(train_size[1] * 1.5))
        multiple = 1 << len(enc_blk_nums)

        def window(level: int, axis: int) -> int:
            padded = math.ceil(train_size[axis] / multiple) * multiple
            return (padded >> level) * spans[axis] // train_size[axis]

        super().__init__(
            img_channel, width, middle_blk_num, enc_blk_nums, dec_blk_nums,
            dw_expand=dw_expand, ffn_expand=ffn_expand, drop_out_rate=drop_out_rate,
            pool=lambda level: LocalAveragePool((window(level, 0), window(level, 1))),
        )  # fmt: skip
