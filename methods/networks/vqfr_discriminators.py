"""VQFR's discriminators beside the StyleGAN2 one: a wavelet and a patch discriminator, spectrally normalised.

Source: released TencentARC/VQFR. Images are (B, 3, H, W) in [-1, 1]. Every call, also in eval mode, moves the estimate
of the layers' norms (`ugpnet.nn.spectral`): two calls give two results.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from methods.networks.wavelets import HaarTransform, InverseHaarTransform
from ugpnet.nn.blocks import SLOPE, channels_at, octaves
from ugpnet.nn.discriminator import minibatch_stddev
from ugpnet.nn.resample import BINOMIAL, downsample2, persist_kernels
from ugpnet.nn.spectral import SpectralConv2d, SpectralConvLayer, SpectralLinear

IMAGE_BANDS = 12
"""Four wavelet bands of three colours."""


class FromBands(nn.Module):
    """(bands, features or None) -> (bands at half the size unless `first`, features with the bands' added)."""

    def __init__(self, channels: int, resample_kernel: Sequence[float], first: bool) -> None:
        super().__init__()
        self.first = first
        if not first:
            self.iwt = InverseHaarTransform()
            self.downsample = downsample2(resample_kernel)
            self.dwt = HaarTransform()
            persist_kernels(self.downsample)
        self.conv = SpectralConvLayer(IMAGE_BANDS, channels, 3)

    def forward(self, bands: Tensor, features: Tensor | None) -> tuple[Tensor, Tensor]:
        if not self.first:
            bands = self.dwt(self.downsample(self.iwt(bands)))
        out: Tensor = self.conv(bands)
        return bands, out if features is None else out + features


class Halving(nn.Module):
    """(B, C, 2H, 2W) -> (B, C', H, W), without a skip."""

    def __init__(self, in_channels: int, out_channels: int, resample_kernel: Sequence[float]) -> None:
        super().__init__()
        self.conv1 = SpectralConvLayer(in_channels, in_channels, 3)
        self.conv2 = SpectralConvLayer(in_channels, out_channels, 3, downsample=True, resample_kernel=resample_kernel)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv2(self.conv1(x))
        return out


class SWADiscriminator(nn.Module):
    """Image (B, 3, S, S) -> logit (B, 1), S = out_size: reads the wavelet bands of the image at every size.

    Widths are StyleGAN2's, one level ahead of the maps: the first, at S/2 pixels, has the width of S.
    """

    def __init__(self, out_size: int, channel_multiplier: float = 2, resample_kernel: Sequence[float] = BINOMIAL,
                 narrow: float = 1) -> None:  # fmt: skip
        super().__init__()
        sizes = [out_size, *(out_size >> level for level in range(2, octaves(out_size) + 1))]
        width = [channels_at(size, channel_multiplier, narrow) for size in sizes]
        self.dwt = HaarTransform()
        self.from_rgbs = nn.ModuleList(
            FromBands(channels, resample_kernel, first=level == 0) for level, channels in enumerate(width)
        )
        self.convs = nn.ModuleList(Halving(*pair, resample_kernel) for pair in pairwise(width))
        self.final_conv = SpectralConvLayer(width[-1] + 1, width[-1], 3)
        hidden, logit = SpectralLinear(width[-1] * 16, width[-1]), SpectralLinear(width[-1], 1)
        self.final_linear = nn.Sequential(hidden, nn.LeakyReLU(SLOPE), logit)

    def forward(self, x: Tensor) -> Tensor:
        bands, features = self.from_rgbs[0](self.dwt(x), None)
        for level, conv in enumerate(self.convs, start=1):
            bands, features = self.from_rgbs[level](bands, conv(features))
        features = minibatch_stddev(features, group=4)
        logit: Tensor = self.final_linear(self.final_conv(features).flatten(1))
        return logit


class PatchDiscriminator(nn.Module):
    """Image -> a map of logits (B, 1, h, w), one per overlapping patch (PatchGAN, arXiv 1611.07004).

    Convolutions that a batch norm follows have no bias; widths double up to 8 * `ndf`.
    """

    def __init__(self, input_nc: int = 3, ndf: int = 64, n_layers: int = 3) -> None:
        super().__init__()
        width = [ndf * min(2**level, 8) for level in range(n_layers + 1)]
        layers: list[nn.Module] = [SpectralConv2d(input_nc, ndf, 4, stride=2, padding=1), nn.LeakyReLU(SLOPE)]
        for level in range(1, n_layers + 1):
            stride = 2 if level < n_layers else 1
            conv = SpectralConv2d(width[level - 1], width[level], 4, stride=stride, padding=1, bias=False)
            layers += [conv, nn.BatchNorm2d(width[level]), nn.LeakyReLU(SLOPE)]
        self.main = nn.Sequential(*layers, SpectralConv2d(width[-1], 1, 4, stride=1, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.main(x)
        return logits
