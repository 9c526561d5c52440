"""GFP-GAN, clean architecture (v1.3, v1.4): a U-Net that steers a StyleGAN2 by latents and spatial feature transforms.

Wang et al., CVPR 2021, arXiv 2101.04061; keys are those of the released `GFPGANv1Clean`. Images are in [-1, 1].
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.stylegan2_clean import CleanStyleGAN2
from ugpnet.nn.blocks import SLOPE, channels_at
from ugpnet.nn.condition import SFT
from ugpnet.nn.stylegan2 import Noise


class ResBlock(nn.Module):
    """Convolution, bilinear resizing, convolution; the resized input through a 1x1 convolution is added."""

    def __init__(self, in_channels: int, out_channels: int, factor: float) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, padding=1)
        self.conv2 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.skip = nn.Conv2d(in_channels, out_channels, 1, bias=False)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        out = self._resize(F.leaky_relu(self.conv1(x), SLOPE))
        summed: Tensor = F.leaky_relu(self.conv2(out), SLOPE) + self.skip(self._resize(x))
        return summed

    def _resize(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=self.factor, mode="bilinear", align_corners=False)


class GFPGANv1Clean(nn.Module):
    """Restored image (B,3,S,S) of a degraded one of the same size; both nominally in [-1, 1], S = `out_size`.

    `pyramid` also gives the images that the U-Net's own heads see at 8 px to S, for the pyramid loss. U-Net widths are
    half of StyleGAN2's.
    """

    def __init__(self, out_size: int, num_style_feat: int = 512, channel_multiplier: float = 1, num_mlp: int = 8,
                 different_w: bool = True, narrow: float = 1, sft_half: bool = True) -> None:  # fmt: skip
        super().__init__()
        self.out_size, self.different_w, self.sft_half = out_size, different_w, sft_half
        decoder = CleanStyleGAN2(out_size, num_style_feat, num_mlp, channel_multiplier, narrow=narrow)
        widths = [channels_at(4 << level, channel_multiplier, narrow / 2) for level in range(decoder.levels + 1)]
        down = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        up = list(zip(widths, widths[1:], strict=False))
        self.conv_body_first = nn.Conv2d(3, widths[-1], 1)
        self.conv_body_down = nn.ModuleList(ResBlock(before, after, 0.5) for before, after in down)
        self.final_conv = nn.Conv2d(widths[0], widths[0], 3, padding=1)
        self.conv_body_up = nn.ModuleList(ResBlock(before, after, 2) for before, after in up)
        self.toRGB = nn.ModuleList(nn.Conv2d(width, 3, 1) for width in widths[1:])
        codes = decoder.num_latent if different_w else 1
        self.final_linear = nn.Linear(widths[0] * 16, codes * num_style_feat)
        self.stylegan_decoder = decoder
        modulated = [width * (1 if sft_half else 2) for width in widths[1:]]
        pairs = list(zip(widths[1:], modulated, strict=True))
        self.condition_scale = nn.ModuleList(_condition(width, out, bias=1.0) for width, out in pairs)
        self.condition_shift = nn.ModuleList(_condition(width, out, bias=0.0) for width, out in pairs)

    def forward(self, x: Tensor, noise: Noise = "random") -> Tensor:
        return self._restore(x, noise)[0]

    def pyramid(self, x: Tensor, noise: Noise = "random") -> tuple[Tensor, list[Tensor]]:
        """`(restored, [image at 8 px, 16 px, ..., S])`."""
        restored, features = self._restore(x, noise)
        return restored, [head(feature) for head, feature in zip(self.toRGB, features, strict=True)]

    def _restore(self, x: Tensor, noise: Noise) -> tuple[Tensor, list[Tensor]]:
        if x.shape[-2:] != (self.out_size, self.out_size):
            raise ValueError(f"GFP-GAN works on {self.out_size}x{self.out_size} px, not {x.shape[-1]}x{x.shape[-2]}")
        skips, feature = [], F.leaky_relu(self.conv_body_first(x), SLOPE)
        for down in self.conv_body_down:
            feature = down(feature)
            skips.append(feature)
        feature = F.leaky_relu(self.final_conv(feature), SLOPE)
        latents = self._latents(feature)
        features = []
        for up, skip in zip(self.conv_body_up, reversed(skips), strict=True):
            feature = up(feature + skip)
            features.append(feature)
        scales = [layer(f) for layer, f in zip(self.condition_scale, features, strict=True)]
        shifts = [layer(f) for layer, f in zip(self.condition_shift, features, strict=True)]
        image, _ = self.stylegan_decoder.synthesize(latents, SFT(scales, shifts, self.sft_half), noise)
        return image, features

    def _latents(self, feature: Tensor) -> Tensor:
        decoder = self.stylegan_decoder
        codes = self.final_linear(feature.flatten(1)).view(len(feature), -1, decoder.num_style_feat)
        latents: Tensor = codes.expand(-1, decoder.num_latent, -1)
        return latents


def _condition(in_channels: int, out_channels: int, bias: float) -> nn.Sequential:
    """Two convolutions; a fresh scale is about 1 and a fresh shift about 0, so that the decoder starts undisturbed."""
    last = nn.Conv2d(in_channels, out_channels, 3, padding=1)
    nn.init.constant_(last.bias, bias)  # type: ignore[arg-type]
    return nn.Sequential(nn.Conv2d(in_channels, in_channels, 3, padding=1), nn.LeakyReLU(SLOPE), last)
