"""RRDBNet (ESRGAN) for x1, x2, x4 and x8, with the released state-dict keys.

Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCV Workshops 2018.
Released files: BasicSR 1.4.2 (x1, x2, x4); hwayoon2/UGPNet @c650748, `RRDBNetX8` (x8).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.padding import crop_like, pad_to_multiple

RESIDUAL_SCALE = 0.2


class ResidualDenseBlock(nn.Module):
    """Five 3x3 convolutions, each over all earlier outputs; 0.2 of the last is added to the input."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        inputs = [num_feat + index * num_grow_ch for index in range(5)]
        self.conv1 = _dense_convolution(inputs[0], num_grow_ch)
        self.conv2 = _dense_convolution(inputs[1], num_grow_ch)
        self.conv3 = _dense_convolution(inputs[2], num_grow_ch)
        self.conv4 = _dense_convolution(inputs[3], num_grow_ch)
        self.conv5 = _dense_convolution(inputs[4], num_feat)

    def forward(self, x: Tensor) -> Tensor:
        dense = x
        for convolution in (self.conv1, self.conv2, self.conv3, self.conv4):
            dense = torch.cat((dense, _activate(convolution(dense))), dim=1)
        return torch.add(x, self.conv5(dense), alpha=RESIDUAL_SCALE)


class RRDB(nn.Module):
    """Residual in residual: three dense blocks, 0.2 of which is added to the input."""

    def __init__(self, num_feat: int, num_grow_ch: int) -> None:
        super().__init__()
        self.rdb1 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.rdb2 = ResidualDenseBlock(num_feat, num_grow_ch)
        self.rdb3 = ResidualDenseBlock(num_feat, num_grow_ch)

    def forward(self, x: Tensor) -> Tensor:
        return torch.add(x, self.rdb3(self.rdb2(self.rdb1(x))), alpha=RESIDUAL_SCALE)


class RRDBNet(nn.Module):
    """Super-resolved images (B, num_out_ch, h * scale, w * scale), regressed directly, not clamped.

    The trunk is always upsampled x4 (x8 for `scale=8`); for `scale` 2 and 1 the input is first
    pixel-unshuffled by 2 and 4. The released code then takes even sizes or multiples of 4 only; other sizes
    are here grown at the right and the bottom by repeating the border, and cropped back.
    """

    residual = False

    def __init__(self, num_in_ch: int = 3, num_out_ch: int = 3, scale: Literal[1, 2, 4, 8] = 4,
                 num_feat: int = 64, num_block: int = 23, num_grow_ch: int = 32) -> None:  # fmt: skip
        super().__init__()
        if scale not in (1, 2, 4, 8):
            raise ValueError(f"RRDBNet: scale {scale} is not one of 1, 2, 4, 8")
        self.unshuffle = {1: 4, 2: 2}.get(scale, 1)
        self.conv_first = nn.Conv2d(num_in_ch * self.unshuffle**2, num_feat, 3, padding=1)
        self.body = nn.Sequential(*(RRDB(num_feat, num_grow_ch) for _ in range(num_block)))
        self.conv_body = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_up1 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_up2 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        if scale == 8:
            self.conv_up3 = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_hr = nn.Conv2d(num_feat, num_feat, 3, padding=1)
        self.conv_last = nn.Conv2d(num_feat, num_out_ch, 3, padding=1)
        self.scale: int = scale
        self.feature_channels = num_feat

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]

    def features(self, x: Tensor) -> Tensor:
        """The activated `conv_hr` output, (B, num_feat, h * scale, w * scale)."""
        return crop_like(self._upsample(x), x, self.scale)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(restored, features)` from one forward pass."""
        feature = self._upsample(x)
        return crop_like(self.conv_last(feature), x, self.scale), crop_like(feature, x, self.scale)

    def _upsample(self, x: Tensor) -> Tensor:
        x = F.pixel_unshuffle(pad_to_multiple(x, self.unshuffle, "replicate"), self.unshuffle)
        feature = self.conv_first(x)
        feature = feature + self.conv_body(self.body(feature))
        for convolution in (self.conv_up1, self.conv_up2, *([self.conv_up3] if self.scale == 8 else [])):
            feature = _activate(convolution(F.interpolate(feature, scale_factor=2, mode="nearest")))
        return _activate(self.conv_hr(feature))


def _activate(x: Tensor) -> Tensor:
    return F.leaky_relu(x, 0.2, inplace=True)


def _dense_convolution(in_channels: int, out_channels: int) -> nn.Conv2d:
    """Kaiming normal times 0.1 at the start, as released: a deep residual chain begins near the identity."""
    convolution = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    nn.init.kaiming_normal_(convolution.weight)
    with torch.no_grad():
        convolution.weight.mul_(0.1)
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
    return convolution
