"""Uformer (Wang et al., CVPR 2022): a U-shaped transformer of windows, restoring images of any size."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from methods.base import Facts
from methods.regression import RegressionConfig, RegressionMethod, unless_same_size
from ugpnet.settings import Budget, Optim, RegressionTraining, Schedule

if TYPE_CHECKING:
    from torch import nn

EPOCH = 263
"""Batches of 8 in GoPro's 2,103 pairs."""


class UformerConfig(RegressionConfig):
    """Uformer-B and its deblurring recipe (GoPro, 3,000 epochs); the warm-up of 3 epochs is here stepped per iteration,
    and 16-bit floats, with which it was released, are `budget: {precision: fp16}`.

    The denoising recipe (SIDD) has batches of 32, patches of 128, 250 epochs of 3,000 batches and from the sixth epoch on
    `mixup: {start: 15000}`. Images are centred in squares of zeros whose side is a multiple of 16 windows, or of `img_size`
    if that is less: 64 for images of 64 px. 128 is what the released tests build the network for.
    """

    img_size: int = 128
    embed_dim: int = 32
    depths: tuple[int, ...] = (1, 2, 8, 8, 2, 8, 8, 2, 1)
    num_heads: tuple[int, ...] = (1, 2, 4, 8, 16, 16, 8, 4, 2)
    win_size: int = 8
    mlp_ratio: float = 4.0
    qkv_bias: bool = True
    drop_path_rate: float = 0.1
    modulator: bool = True
    training: RegressionTraining = RegressionTraining(
        loss="charbonnier",
        optim=Optim(
            name="adamw", lr=2e-4, weight_decay=0.02, schedule=Schedule(kind="cosine", floor=5e-3, warmup=3 * EPOCH)
        ),
    )
    budget: Budget = Budget(
        iterations=3_000 * EPOCH, batch_size=8, patch=256, flips=("horizontal", "vertical", "transpose")
    )


class UformerMethod(RegressionMethod):
    version: ClassVar[int] = 1
    residual: ClassVar[bool | None] = True
    Config = UformerConfig
    config: UformerConfig
    facts: ClassVar[Facts] = Facts(
        title="Uformer: A General U-Shaped Transformer for Image Restoration", family="regression", venue="CVPR 2022",
        arxiv="2106.03106", code="https://github.com/ZhendongWang6/Uformer", licence="MIT",
        bibtex="""@inproceedings{wang2022uformer,
  title = {Uformer: A General U-Shaped Transformer for Image Restoration},
  author = {Wang, Zhendong and Cun, Xiaodong and Bao, Jianmin and Zhou, Wengang and Liu, Jianzhuang and Li, Houqiang},
  booktitle = {CVPR}, year = {2022}
}""",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        return unless_same_size("Uformer", self.task)

    def network(self) -> nn.Module:
        from methods.networks.uformer import Uformer

        config = self.config
        return Uformer(
            config.img_size, embed_dim=config.embed_dim, depths=config.depths, num_heads=config.num_heads,
            win_size=config.win_size, mlp_ratio=config.mlp_ratio, qkv_bias=config.qkv_bias,
            drop_path_rate=config.drop_path_rate, modulator=config.modulator,
        )  # fmt: skip
