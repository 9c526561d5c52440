"""A plain U-Net for restoration: the paper's weakest regressor (Fig. 4).

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation", MICCAI 2015.
Deviations: 3x3 convolutions are padded, so that maps keep their size and skips need no cropping, and the
input image is added to the output. The released UGPNet contains no U-Net: keys and defaults are ours.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.padding import crop_like, pad_to_multiple


class UNet(nn.Module):
    """Restored images (B, 3, h, w) of any size: the input plus a predicted residual, not clamped.

    `depth` levels with widths `width * 2 ** level`. The input is grown at the right and the bottom to a
    multiple of `2 ** (depth - 1)` by repeating the border, and the output cropped back.
    """

    scale = 1
    residual = True

    def __init__(self, width: int = 64, depth: int = 5, image_channels: int = 3) -> None:
        super().__init__()
        widths = [width << level for level in range(depth)]
        inputs = [image_channels, *widths[:-1]]
        self.encoders = nn.ModuleList(_double_convolution(*pair) for pair in zip(inputs, widths, strict=True))
        self.ups = nn.ModuleList(nn.ConvTranspose2d(2 * fine, fine, 2, stride=2) for fine in widths[-2::-1])
        self.decoders = nn.ModuleList(_double_convolution(2 * fine, fine) for fine in widths[-2::-1])
        self.head = nn.Conv2d(width, image_channels, 1)
        self.feature_channels = width
        self.size_multiple = 1 << (depth - 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]

    def features(self, x: Tensor) -> Tensor:
        """The last decoder output, (B, width, h, w)."""
        return crop_like(self._decode(x), x)

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(restored, features)` from one forward pass."""
        feature = self.features(x)
        return x + self.head(feature), feature

    def _decode(self, x: Tensor) -> Tensor:
        skips: list[Tensor] = []
        x = pad_to_multiple(x, self.size_multiple, "replicate")
        for encoder in self.encoders:
            x = encoder(F.max_pool2d(x, 2) if skips else x)
            skips.append(x)
        for up, decoder, skip in zip(self.ups, self.decoders, skips[-2::-1], strict=True):
            x = decoder(torch.cat((skip, up(x)), dim=1))
        return x


def _double_convolution(in_channels: int, out_channels: int) -> nn.Sequential:
    """Two 3x3 convolutions with ReLU; weights start as in Sec. 3 of the paper, N(0, 2 / fan_in)."""
    block = nn.Sequential(
        nn.Conv2d(in_channels, out_channels, 3, padding=1), nn.ReLU(inplace=True),
        nn.Conv2d(out_channels, out_channels, 3, padding=1), nn.ReLU(inplace=True),
    )  # fmt: skip
    for layer in block:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
    return block
