"""Texture warping (VQFR, arXiv 2205.06803, Sec. 3.3): a degraded image's structure bends high-quality textures."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from torchvision.ops import deform_conv2d

from methods.networks.vq_layers import BilinearDown, apply_if_there, convolve, normalise, resize


class ModulatedDeformConv(nn.Module):
    """3x3 deformable convolution (arXiv 1811.11168) of x (B, C, H, W), its offsets and mask read off `condition`.

    It begins as a plain convolution at half strength: offsets 0, mask 1/2. torchvision has no backward kernel for MPS:
    training there needs PYTORCH_ENABLE_MPS_FALLBACK=1.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        bound = 1 / math.sqrt(9 * channels)
        self.weight = nn.Parameter(torch.empty(channels, channels, 3, 3).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.conv_offset = convolve(channels, groups * 27)
        for parameter in self.conv_offset.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        steering = self.conv_offset(condition).to(self.weight.dtype)
        taps = steering.shape[1] // 3
        offset, mask = steering.split((2 * taps, taps), dim=1)  # (dy, dx) of nine taps per group; a mask for each
        x = x.to(self.weight.dtype)
        with torch.autocast(x.device.type, enabled=False):
            warped: Tensor = deform_conv2d(x, offset, self.weight, self.bias, padding=1, mask=mask.sigmoid())
        return warped


class TextureWarping(nn.Module):
    """(prior, texture, the coarser level's flow) -> (warped texture, flow), textures and flows (B, C, H, W).

    The prior (B, `cond_channels`, H * rate, W * rate) are features of the degraded image at full size. Version 1
    convolves it after the resize (`learned_resize`), where there is one. The flow is a feature, not yet offsets.
    """

    def __init__(self, channels: int, coarser_channels: int | None, cond_channels: int, rate: int, groups: int,
                 learned_resize: bool) -> None:  # fmt: skip
        super().__init__()
        learned = learned_resize and rate > 1
        self.downsample = BilinearDown(cond_channels, cond_channels, rate) if learned else None
        self.offset_conv1 = nn.Sequential(
            nn.Conv2d(channels + cond_channels, channels, 1), normalise(channels), nn.SiLU(),
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels), normalise(channels), nn.SiLU(),
            nn.Conv2d(channels, channels, 1),
        )  # fmt: skip
        self.offset_conv2 = nn.Sequential(
            convolve(channels + (coarser_channels or 0), channels), normalise(channels), nn.SiLU()
        )
        self.dcn = ModulatedDeformConv(channels, groups)

    def forward(self, prior: Tensor, texture: Tensor, coarser: Tensor | None = None) -> tuple[Tensor, Tensor]:
        size = (texture.shape[2], texture.shape[3])
        prior = resize(prior, size) if self.downsample is None else self.downsample(prior)
        flow = self.offset_conv1(torch.cat((prior, texture), dim=1))
        if coarser is not None:
            flow = torch.cat((flow, resize(coarser, size) * 2), dim=1)
        flow = self.offset_conv2(flow)
        return self.dcn(texture, flow), flow


class WarpedDecoder(nn.Module):
    """Textures warped level by level, coarse to fine, and joined to one feature of the finest level.

    Sub-classes fill the layers by level: `TextureWarping`, what leads into a level where its size is another, and what
    joins it with the warped textures, a coarser level's beside them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.align_func_dict, self.pre_upsample_dict, self.decoder_dict = (nn.ModuleDict() for _ in range(3))

    def join(self, prior: Tensor, textures: Mapping[str, Tensor]) -> Tensor:
        """Of the degraded image's features at full size, and the texture features by level."""
        x: Tensor | None = None
        flow: Tensor | None = None
        for name, align in self.align_func_dict.items():
            warped, flow = align(prior, textures[name], flow)
            if x is None:
                x = warped
            else:
                finer = apply_if_there(self.pre_upsample_dict, name, x)
                x = self.decoder_dict[name](torch.cat((finer, warped), dim=1))
        return cast(Tensor, x)
