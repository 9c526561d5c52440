"""VQFR, first version (Gu et al., ECCV 2022, arXiv 2205.06803): the 76.6 M model.

Released files: TencentARC/VQFR. Images are (B, 3, H, W) in [-1, 1]; H and W are multiples of `size_multiple`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from methods.networks.texture_warping import TextureWarping, WarpedDecoder
from methods.networks.vq_layers import ResnetBlock, convolve, normalise
from methods.networks.vqgan_v1 import Levels, VQAutoencoderV1, up_layers


@dataclass(frozen=True)
class RestoredV1:
    """`main` is the restored image, `texture` the one that only knows the dictionary; `z` what was quantised."""

    main: Tensor
    texture: Tensor
    z: Tensor


class InputFeature(nn.Module):
    """The degraded image's features at full size."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = convolve(3, channels)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.conv(x)
        return out


class MainDecoder(WarpedDecoder):
    """(degraded image, its features, texture features by level) -> restored image."""

    def __init__(self, levels: Levels, cond_channels: int, deformable_groups: int) -> None:
        super().__init__()
        coarsest, channels = len(levels.names) - 1, levels.channels
        for i in range(coarsest, -1, -1):
            coarser = channels[i + 1] if i < coarsest else None
            self.align_func_dict[levels.names[i]] = TextureWarping(
                channels[i], coarser, cond_channels, levels.downscale[i], deformable_groups, learned_resize=True
            )
            if i < coarsest:
                self.decoder_dict[levels.names[i]] = ResnetBlock(2 * channels[i], channels[i], "shortcut_conv")
        self.pre_upsample_dict = up_layers(levels, coarsest - 1)
        self.conv_out_1 = nn.Sequential(normalise(channels[0]), nn.SiLU())
        self.conv_out = nn.Sequential(convolve(channels[0] + 3, 3))

    def forward(self, lq: Tensor, prior: Tensor, textures: Mapping[str, Tensor]) -> Tensor:
        x = self.conv_out_1(self.join(prior, textures))
        main: Tensor = self.conv_out(torch.cat((x, lq), dim=1))
        return main


class VQFRv1(VQAutoencoderV1):
    """Degraded image -> `RestoredV1`."""

    def __init__(
        self,
        base_channels: int = 128,
        channel_multipliers: Sequence[int] = (1, 1, 2, 2, 2, 4),
        resolution_scale_rates: Sequence[int] = (1, 2, 2, 2, 2, 2),
        encoder_num_blocks: int = 2,
        decoder_num_blocks: int = 3,
        num_code: int = 1024,
        code_dim: int = 256,
        inpfeat_dim: int = 32,
        deformable_groups: int = 4,
    ) -> None:
        super().__init__(
            base_channels, channel_multipliers, resolution_scale_rates, encoder_num_blocks, decoder_num_blocks,
            num_code, code_dim,
        )  # fmt: skip
        self.inpfeat_extraction = InputFeature(inpfeat_dim)
        self.main_decoder = MainDecoder(self.levels, inpfeat_dim, deformable_groups)

    def forward(self, x: Tensor) -> RestoredV1:
        z = self.encode(x)
        texture, textures = self.decode(self.codebook(z).code)
        return RestoredV1(self.main_decoder(x, self.inpfeat_extraction(x), textures), texture, z)
