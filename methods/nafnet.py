"""NAFNet (Chen et al., ECCV 2022): the paper's regressor for deblurring and denoising."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import Facts
from methods.regression import RegressionConfig, RegressionMethod, unless_same_size
from ugpnet.settings import Budget, Optim, RegressionTraining, Schedule

if TYPE_CHECKING:
    from torch import nn


class NAFNetConfig(RegressionConfig):
    """The released widths and the GoPro recipe unless changed. `local` averages channel attention over training-size
    windows (TLC), as the released deblurring evaluation does."""

    width: int = 32
    middle_blk_num: int = 1
    enc_blk_nums: tuple[int, ...] = (1, 1, 1, 28)
    dec_blk_nums: tuple[int, ...] = (1, 1, 1, 1)
    pooling: Literal["global", "local"] = "global"
    training: RegressionTraining = RegressionTraining(
        loss="psnr",
        optim=Optim(
            name="adamw", lr=1e-3, betas=(0.9, 0.9), weight_decay=1e-3, schedule=Schedule(kind="cosine", floor=1e-4)
        ),
        clip_norm=0.01,
    )
    budget: Budget = Budget(iterations=200_000, batch_size=32, patch=256, flips=("horizontal", "vertical", "transpose"))


class NAFNetMethod(RegressionMethod):
    version: ClassVar[int] = 1
    residual: ClassVar[bool | None] = True
    Config = NAFNetConfig
    config: NAFNetConfig
    facts: ClassVar[Facts] = Facts(
        title="Simple Baselines for Image Restoration", family="regression", venue="ECCV 2022", arxiv="2204.04676",
        code="https://github.com/megvii-research/NAFNet", licence="MIT",
        bibtex="""@inproceedings{chen2022nafnet,
  title = {Simple Baselines for Image Restoration},
  author = {Chen, Liangyu and Chu, Xiaojie and Zhang, Xiangyu and Sun, Jian},
  booktitle = {ECCV}, year = {2022}
}""",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        return unless_same_size("NAFNet", self.task)

    def network(self) -> nn.Module:
        from ugpnet.nn.nafnet import NAFNet, NAFNetLocal

        made = NAFNetLocal if self.config.pooling == "local" else NAFNet
        return made(
            width=self.config.width, middle_blk_num=self.config.middle_blk_num,
            enc_blk_nums=self.config.enc_blk_nums, dec_blk_nums=self.config.dec_blk_nums,
        )  # fmt: skip
