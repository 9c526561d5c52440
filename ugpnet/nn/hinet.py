"""HINet with the released state-dict keys, in its original form and in the form inside the released UGPNet.

Chen et al., "HINet: Half Instance Normalization Network for Image Restoration", CVPR Workshops 2021.
Released files: megvii-model/HINet @4e72315; hwayoon2/UGPNet @c650748 (its own copy).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.padding import crop_like, pad_to_multiple


class HINBlock(nn.Module):
    """Two 3x3 convolutions plus a 1x1 shortcut, (B, in_size, h, w) -> (B, out_size, h, w).

    `hin` normalises the first half of the channels after the first convolution by their statistics over the
    image. `fuse` adds the first stage's encoder and decoder features of the same depth (cross-stage feature
    fusion).
    """

    def __init__(self, in_size: int, out_size: int, relu_slope: float,
                 *, hin: bool = False, fuse: bool = False, downsample: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.identity = nn.Conv2d(in_size, out_size, 1)
        self.conv_1 = nn.Conv2d(in_size, out_size, 3, padding=1)
        self.conv_2 = nn.Conv2d(out_size, out_size, 3, padding=1)
        if fuse:
            self.csff_enc = nn.Conv2d(out_size, out_size, 3, padding=1)
            self.csff_dec = nn.Conv2d(out_size, out_size, 3, padding=1)
        if hin:
            self.norm = nn.InstanceNorm2d(out_size // 2, affine=True)
        down = nn.Conv2d(out_size, out_size, 4, stride=2, padding=1, bias=False) if downsample else nn.Identity()
        self.downsample: nn.Module = down
        self.hin = hin
        self.relu_slope = relu_slope

    def forward(self, x: Tensor, fused: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """`fused`: encoder and decoder feature of the first stage; the result is the level's skip feature."""
        out: Tensor = self.conv_1(x)
        if self.hin:
            first, second = out.chunk(2, dim=1)
            out = torch.cat((self.norm(first), second), dim=1)
        out = F.leaky_relu(out, self.relu_slope)
        out = F.leaky_relu(self.conv_2(out), self.relu_slope) + self.identity(x)
        if fused is not None:
            out = out + self.csff_enc(fused[0]) + self.csff_dec(fused[1])
        return out


class UpBlock(nn.Module):
    """Transposed convolution to twice the size, then a block over [upsampled, bridge]."""

    def __init__(self, in_size: int, out_size: int, relu_slope: float) -> None:
        super().__init__()
        self.up = nn.ConvTranspose2d(in_size, out_size, 2, stride=2)
        self.conv_block = HINBlock(in_size, out_size, relu_slope)

    def forward(self, x: Tensor, bridge: Tensor) -> Tensor:
        out: Tensor = self.conv_block(torch.cat((self.up(x), bridge), dim=1))
        return out


class SupervisedAttention(nn.Module):
    """`(feature, image)`: the first stage's image, and its feature gated by that image (SAM of MPRNet)."""

    def __init__(self, channels: int, image_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv2d(channels, image_channels, 3, padding=1)
        self.conv3 = nn.Conv2d(image_channels, channels, 3, padding=1)

    def forward(self, x: Tensor, image: Tensor) -> tuple[Tensor, Tensor]:
        restored: Tensor = self.conv2(x) + image
        gate = self.conv3(restored).sigmoid()
        return self.conv1(x) * gate + x, restored


class HINet(nn.Module):
    """Restored images (B, in_chn, h, w) of the second stage: the input plus a residual, not clamped.

    Two U-Nets of `depth` levels with widths `wf * 2 ** level`; half instance normalisation in the encoder
    levels `hin_position_left` to `hin_position_right` inclusive. `second_stem="own"` is the original: stage 2
    sees the input through `conv_02`. `"shared"` is UGPNet's copy: stage 2 takes `conv_01(image)` again and
    `conv_02` stays unused.

    The released code takes multiples of `2 ** (depth - 1)` only; other sizes are here grown at the right and
    the bottom by repeating the border, which enters the instance statistics, and cropped back. A normalised
    level needs more than one pixel: with the defaults, a side above 16.
    """

    scale = 1
    residual = True

    def __init__(self, in_chn: int = 3, wf: int = 64, depth: int = 5, relu_slope: float = 0.2,
                 hin_position_left: int = 0, hin_position_right: int = 4,
                 *, second_stem: Literal["own", "shared"] = "own") -> None:  # fmt: skip
        super().__init__()
        widths = [wf << level for level in range(depth)]

        def encoder(*, fuse: bool) -> nn.ModuleList:
            deepest = depth - 1
            return nn.ModuleList(
                HINBlock(widths[max(level - 1, 0)], width, relu_slope,
                         hin=hin_position_left <= level <= hin_position_right,
                         fuse=fuse and level < deepest, downsample=level < deepest)
                for level, width in enumerate(widths)
            )  # fmt: skip

        self.down_path_1 = encoder(fuse=False)
        self.down_path_2 = encoder(fuse=True)
        self.conv_01 = nn.Conv2d(in_chn, wf, 3, padding=1)
        self.conv_02 = nn.Conv2d(in_chn, wf, 3, padding=1)
        coarse_to_fine = widths[-2::-1]
        self.up_path_1, self.up_path_2 = (
            nn.ModuleList(UpBlock(2 * width, width, relu_slope) for width in coarse_to_fine) for _ in range(2)
        )
        self.skip_conv_1, self.skip_conv_2 = (
            nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for width in coarse_to_fine) for _ in range(2)
        )
        self.sam12 = SupervisedAttention(wf, in_chn)
        self.cat12 = nn.Conv2d(2 * wf, wf, 1)
        self.last = nn.Conv2d(wf, in_chn, 3, padding=1)
        self.second_stem = second_stem
        self.feature_channels = wf
        self.size_multiple = 1 << (depth - 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]

    def features(self, x: Tensor) -> Tensor:
        """The last decoder output of stage 2, (B, wf, h, w)."""
        return crop_like(self._stages(self._pad(x))[1], x)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(restored, features)` from one forward pass."""
        padded = self._pad(x)
        _, feature = self._stages(padded)
        return crop_like(self.last(feature) + padded, x), crop_like(feature, x)

    def stage_outputs(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Both stages' restored images; the released training loss is the sum over the two."""
        padded = self._pad(x)
        first, feature = self._stages(padded)
        return crop_like(first, x), crop_like(self.last(feature) + padded, x)

    def _pad(self, x: Tensor) -> Tensor:
        return pad_to_multiple(x, self.size_multiple, "replicate")

    def _stages(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """The first stage's restored image and the second stage's last decoder feature."""
        stem = self.conv_01(image)
        encoded = _encode(self.down_path_1, stem, ())
        decoded = _decode(self.up_path_1, self.skip_conv_1, encoded)
        attended, first = self.sam12(decoded[-1], image)
        if self.second_stem == "own":
            stem = self.conv_02(image)
        fused = zip(encoded, reversed(decoded), strict=False)  # no decoder feature at the deepest level
        encoded = _encode(self.down_path_2, self.cat12(torch.cat((stem, attended), dim=1)), fused)
        return first, _decode(self.up_path_2, self.skip_conv_2, encoded)[-1]


def _encode(path: nn.ModuleList, x: Tensor, fused: Iterable[tuple[Tensor, Tensor]]) -> list[Tensor]:
    """Every level's feature, fine to coarse."""
    encoded: list[Tensor] = []
    other_stage = iter(fused)
    for block in path:
        assert isinstance(block, HINBlock)
        encoded.append(block(x, next(other_stage, None)))
        x = block.downsample(encoded[-1])
    return encoded


def _decode(path: nn.ModuleList, bridges: nn.ModuleList, encoded: list[Tensor]) -> list[Tensor]:
    """Every decoder level's feature, coarse to fine."""
    decoded: list[Tensor] = []
    x = encoded[-1]
    for up, bridge, skip in zip(path, bridges, encoded[-2::-1], strict=True):
        x = up(x, bridge(skip))
        decoded.append(x)
    return decoded
