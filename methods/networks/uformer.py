"""Uformer with the released state-dict keys.

Wang et al., "Uformer: A General U-Shaped Transformer for Image Restoration", CVPR 2022. Released files:
ZhendongWang6/Uformer @65fc970. Linear projections and the LeFF feed-forward only, as in every released model.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import StochasticDepth

from methods.networks.windows import cut, join, relative_positions, shift_mask, to_map, to_tokens

ENCODER_LEVELS = 4


class QueryKeyValue(nn.Module):
    """Queries from one linear layer, keys and values from another."""

    def __init__(self, dim: int, heads: int, bias: bool) -> None:
        super().__init__()
        self.to_q = nn.Linear(dim, dim, bias=bias)
        self.to_kv = nn.Linear(dim, 2 * dim, bias=bias)
        self.heads = heads

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Tokens (N, T, dim) -> three tensors (N, heads, T, dim / heads)."""
        key, value = self.to_kv(x).chunk(2, dim=-1)
        query, key, value = (
            part.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2) for part in (self.to_q(x), key, value)
        )
        return query, key, value


class WindowAttention(nn.Module):
    """Self-attention inside windows with a learnt relative position bias (W-MSA)."""

    relative_position_index: Tensor

    def __init__(self, dim: int, window: int, heads: int, qkv_bias: bool) -> None:
        super().__init__()
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_positions(window))
        self.qkv = QueryKeyValue(dim, heads, qkv_bias)
        self.proj = nn.Linear(dim, dim)
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Windows (B * windows, T, dim) -> the same shape; `mask` (windows, T, T) is added to the scores."""
        query, key, value = self.qkv(x)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)[None]
        if mask is not None:
            bias = (bias + mask[:, None]).repeat(len(x) // len(mask), 1, 1, 1)
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias.to(query.dtype))
        out: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return out


class LocallyEnhancedFeedForward(nn.Module):
    """LeFF: linear, depthwise 3x3 convolution on the map, linear; (B, h * w, dim) -> the same shape."""

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.linear1 = nn.Sequential(nn.Linear(dim, hidden), nn.GELU())
        self.dwconv = nn.Sequential(nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden), nn.GELU())
        self.linear2 = nn.Sequential(nn.Linear(hidden, dim))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.linear2(to_tokens(self.dwconv(to_map(self.linear1(x)))))
        return out


class LeWinBlock(nn.Module):
    """Window attention and feed-forward, each residual, over the tokens of a square map.

    `shift` rolls the map before the windows are cut; `modulator` adds a learnt embedding to every window.
    """

    def __init__(self, dim: int, heads: int, window: int, shift: int, *, mlp_ratio: float, qkv_bias: bool,
                 drop_path: float, modulator: bool) -> None:  # fmt: skip
        super().__init__()
        self.modulator = nn.Embedding(window * window, dim) if modulator else None
        self.norm1 = nn.LayerNorm(dim)
        self.attn = WindowAttention(dim, window, heads, qkv_bias)
        self.drop_path = StochasticDepth(drop_path, mode="row")
        self.norm2 = nn.LayerNorm(dim)
        self.mlp = LocallyEnhancedFeedForward(dim, int(dim * mlp_ratio))
        self.window, self.shift = window, shift

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self._attend(self.norm1(x)))
        out: Tensor = x + self.drop_path(self.mlp(self.norm2(x)))
        return out

    def _attend(self, tokens: Tensor) -> Tensor:
        side = math.isqrt(tokens.shape[1])
        image = tokens.reshape(len(tokens), side, side, -1)
        mask = None
        if self.shift:
            image = image.roll((-self.shift, -self.shift), dims=(1, 2))
            mask = shift_mask(side, self.window, self.shift, image.device)
        windows = cut(image, self.window)
        if self.modulator is not None:
            windows = windows + self.modulator.weight
        image = join(self.attn(windows, mask), side, self.window)
        if self.shift:
            image = image.roll((self.shift, self.shift), dims=(1, 2))
        return image.flatten(1, 2)


class Stage(nn.Module):
    """The blocks of one resolution; every second one shifts its windows."""

    def __init__(self, dim: int, heads: int, window: int, drop_paths: Sequence[float], *, shifts: bool,
                 mlp_ratio: float, qkv_bias: bool, modulator: bool) -> None:  # fmt: skip
        super().__init__()
        self.blocks = nn.ModuleList(
            LeWinBlock(dim, heads, window, window // 2 if shifts and index % 2 else 0, mlp_ratio=mlp_ratio,
                       qkv_bias=qkv_bias, drop_path=rate, modulator=modulator)
            for index, rate in enumerate(drop_paths)
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        return x


class InputProjection(nn.Module):
    """Image -> tokens."""

    def __init__(self, in_channels: int, dim: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Conv2d(in_channels, dim, 3, padding=1), nn.LeakyReLU(inplace=True))

    def forward(self, image: Tensor) -> Tensor:
        return to_tokens(self.proj(image))


class OutputProjection(nn.Module):
    """Tokens -> image."""

    def __init__(self, dim: int, out_channels: int) -> None:
        super().__init__()
        self.proj = nn.Sequential(nn.Conv2d(dim, out_channels, 3, padding=1))

    def forward(self, tokens: Tensor) -> Tensor:
        image: Tensor = self.proj(to_map(tokens))
        return image


class Downsample(nn.Module):
    """Tokens of a map half as large."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(nn.Conv2d(in_dim, out_dim, 4, stride=2, padding=1))

    def forward(self, tokens: Tensor) -> Tensor:
        return to_tokens(self.conv(to_map(tokens)))


class Upsample(nn.Module):
    """Tokens of a map twice as large."""

    def __init__(self, in_dim: int, out_dim: int) -> None:
        super().__init__()
        self.deconv = nn.Sequential(nn.ConvTranspose2d(in_dim, out_dim, 2, stride=2))

    def forward(self, tokens: Tensor) -> Tensor:
        return to_tokens(self.deconv(to_map(tokens)))


class Uformer(nn.Module):
    """Restored images (B, 3, h, w), not clamped; the defaults are Uformer-B.

    The input plus a predicted residual, or the prediction alone if `dd_in`, the number of input channels, is
    not 3. The network takes squares whose side is a multiple of `size_multiple` (128 for Uformer-B). Other
    inputs are centred in such a square of zeros and cut out again, as in the released test scripts.

    `img_size` is the training patch: a stage whose map of such a patch is no larger than a window gets
    windows of that size and no shifts, whatever the later inputs. The released test scripts build their
    models with 128, so that the bottleneck does not shift, even where training ran at 256.
    """

    scale = 1

    def __init__(self, img_size: int = 128, dd_in: int = 3, embed_dim: int = 32,
                 depths: Sequence[int] = (1, 2, 8, 8, 2, 8, 8, 2, 1),
                 num_heads: Sequence[int] = (1, 2, 4, 8, 16, 16, 8, 4, 2),
                 win_size: int = 8, mlp_ratio: float = 4.0, *, qkv_bias: bool = True,
                 drop_path_rate: float = 0.1, modulator: bool = True) -> None:  # fmt: skip
        super().__init__()
        drop_paths = _drop_path_rates(depths, drop_path_rate)
        windows = [min(win_size, img_size >> level) for level in range(ENCODER_LEVELS + 1)]

        def stage(index: int, dim: int) -> Stage:
            level = min(index, 2 * ENCODER_LEVELS - index)
            return Stage(dim, num_heads[index], windows[level], drop_paths[index],
                         shifts=img_size >> level > win_size, mlp_ratio=mlp_ratio, qkv_bias=qkv_bias,
                         modulator=modulator and index > ENCODER_LEVELS)  # fmt: skip

        self.input_proj = InputProjection(dd_in, embed_dim)
        self.output_proj = OutputProjection(2 * embed_dim, 3)
        dim = embed_dim
        for level in range(ENCODER_LEVELS):
            self.add_module(f"encoderlayer_{level}", stage(level, dim))
            self.add_module(f"dowsample_{level}", Downsample(dim, 2 * dim))  # the released spelling
            dim *= 2
        self.conv = stage(ENCODER_LEVELS, dim)
        for index in range(ENCODER_LEVELS):
            skip_dim = embed_dim << (ENCODER_LEVELS - 1 - index)
            self.add_module(f"upsample_{index}", Upsample(dim, skip_dim))
            dim = 2 * skip_dim
            self.add_module(f"decoderlayer_{index}", stage(ENCODER_LEVELS + 1 + index, dim))
        self.feature_channels = 2 * embed_dim
        self.residual: bool = dd_in == 3
        self.size_multiple = max(window << level for level, window in enumerate(windows))
        self.apply(_initialise)

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]

    def features(self, x: Tensor) -> Tensor:
        """The last decoder output, (B, 2 * embed_dim, h, w)."""
        return self.both(x)[1]

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(restored, features)` from one forward pass."""
        square, rows, columns = centre_in_square(x, self.size_multiple)
        tokens = self._decode(square)
        image = self.output_proj(tokens)
        restored = square + image if self.residual else image
        return restored[..., rows, columns], to_map(tokens)[..., rows, columns]

    def _decode(self, square: Tensor) -> Tensor:
        tokens: Tensor = self.input_proj(square)
        skips = []
        for level in range(ENCODER_LEVELS):
            tokens = self.get_submodule(f"encoderlayer_{level}")(tokens)
            skips.append(tokens)
            tokens = self.get_submodule(f"dowsample_{level}")(tokens)
        tokens = self.conv(tokens)
        for index in range(ENCODER_LEVELS):
            tokens = torch.cat((self.get_submodule(f"upsample_{index}")(tokens), skips.pop()), dim=-1)
            tokens = self.get_submodule(f"decoderlayer_{index}")(tokens)
        return tokens


def centre_in_square(x: Tensor, multiple: int) -> tuple[Tensor, slice, slice]:
    """`x` amid the smallest square of zeros whose side `multiple` divides, and its rows and columns there."""
    height, width = x.shape[-2:]
    side = math.ceil(max(height, width) / multiple) * multiple
    top, left = (side - height) // 2, (side - width) // 2
    square = F.pad(x, (left, side - width - left, top, side - height - top))
    return square, slice(top, top + height), slice(left, left + width)


def _drop_path_rates(depths: Sequence[int], highest: float) -> list[list[float]]:
    """Per stage and block: a linear rise over the encoder, `highest` in the bottleneck, a mirrored fall."""
    encoder, bottleneck, decoder = (
        depths[:ENCODER_LEVELS],
        depths[ENCODER_LEVELS],
        depths[ENCODER_LEVELS + 1 :],
    )
    if len(decoder) != ENCODER_LEVELS or sum(decoder) > sum(encoder):
        raise ValueError(f"Uformer: depths {tuple(depths)}: 9 stages, no more decoder than encoder blocks")
    last = max(sum(encoder) - 1, 1)
    rise = [highest * index / last for index in range(sum(encoder))]
    rates = iter([*rise, *[highest] * bottleneck, *reversed(rise)])
    return [list(itertools.islice(rates, depth)) for depth in depths]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
