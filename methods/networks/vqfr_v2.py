"""VQFR, second version: codes are predicted, and one number trades fidelity for quality.

Released files: TencentARC/VQFR. Images are (B, 3, H, W) in [-1, 1]; H and W are multiples of `size_multiple`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from torch import Tensor, nn

from methods.networks.texture_warping import TextureWarping, WarpedDecoder
from methods.networks.vq_layers import ResnetBlock, convolve, level_name
from methods.networks.vqgan_v2 import VQAutoencoderV2


@dataclass(frozen=True)
class RestoredV2:
    """`main` is the restored image, `texture` the one that only knows the dictionary; `z` the encoder's feature;
    `logits` (B, h * w, num_code) of the predicted codes, None where the nearest are taken."""

    main: Tensor
    texture: Tensor
    z: Tensor
    logits: Tensor | None


class MainBranch(WarpedDecoder):
    """(features of the degraded image, texture features by level) -> what is added to the finest of them."""

    def __init__(self, channels: Sequence[int], cond_channels: int, deformable_groups: int) -> None:
        super().__init__()
        coarsest = len(channels) - 1
        for i in range(coarsest, -1, -1):
            name, coarser = level_name(1 << i), channels[i + 1] if i < coarsest else None
            self.align_func_dict[name] = TextureWarping(
                channels[i], coarser, cond_channels, 1 << i, deformable_groups, learned_resize=False
            )
            if coarser is not None:
                up = nn.Sequential(nn.Upsample(scale_factor=2), convolve(coarser, channels[i]))
                self.pre_upsample_dict[name] = up
                self.decoder_dict[name] = ResnetBlock(2 * channels[i], channels[i], "residual_func")

    def forward(self, prior: Tensor, textures: Mapping[str, Tensor]) -> Tensor:
        return self.join(prior, textures)


class VQFRv2(VQAutoencoderV2):
    """Degraded image -> `RestoredV2`.

    `fidelity_ratio` scales what the degraded image adds: at 0 the restored image is `texture`, at 1 it is as trained.
    """

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
        inpfeat_dim: int = 32,
        deformable_groups: int = 4,
        code_selection_mode: Literal["Predict", "Nearest"] = "Predict",
    ) -> None:
        super().__init__(
            base_channels, channel_multipliers, num_enc_blocks, use_enc_attention, num_dec_blocks, use_dec_attention,
            num_code, code_dim,
        )  # fmt: skip
        self.inpfeat_extraction = convolve(3, inpfeat_dim)
        self.main_branch = MainBranch(self.channels, inpfeat_dim, deformable_groups)
        predicts = code_selection_mode == "Predict"
        self.feat2index = nn.Sequential(nn.LayerNorm(code_dim), nn.Linear(code_dim, num_code)) if predicts else None

    def forward(self, x: Tensor, fidelity_ratio: float = 1.0) -> RestoredV2:
        z = self.encode(x)
        code, logits = self._select(z)
        texture, textures = self.decode(code)
        main = self.main_branch(self.inpfeat_extraction(x), textures)
        main = self.decoder.conv_out(textures[level_name(1)] + fidelity_ratio * main)
        return RestoredV2(main, texture, z, logits)

    def _select(self, z: Tensor) -> tuple[Tensor, Tensor | None]:
        if self.feat2index is None:
            return self.codebook(z).code, None
        logits: Tensor = self.feat2index(z.flatten(2).mT)
        return self.codebook.look_up(logits.argmax(2), (z.shape[2], z.shape[3])), logits
