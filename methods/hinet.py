"""HINet (Chen et al., CVPR Workshops 2021): two U-Nets with half instance normalisation, both supervised."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import Facts
from methods.regression import RegressionConfig, RegressionMethod, unless_same_size
from ugpnet.settings import Budget, Optim, RegressionTraining, Schedule

if TYPE_CHECKING:
    from torch import nn


class HINetConfig(RegressionConfig):
    """The released deblurring model (GoPro) and its recipe; the loss is summed over both stages' images.

    The denoising one (SIDD) normalises levels 0 to 4 and trains with L1 of weight 1, betas (0.9, 0.999) and a cosine to
    1e-6 (floor 5e-3). `second_stem: shared` is the copy inside the released UGPNet.
    """

    wf: int = 64
    depth: int = 5
    hin_position_left: int = 3
    hin_position_right: int = 4
    second_stem: Literal["own", "shared"] = "own"
    training: RegressionTraining = RegressionTraining(
        loss="psnr", weight=0.5,
        optim=Optim(lr=2e-4, betas=(0.9, 0.99), schedule=Schedule(kind="cosine", floor=5e-4)),
        clip_norm=0.01,
    )  # fmt: skip
    budget: Budget = Budget(iterations=400_000, batch_size=64, patch=256, flips=("horizontal", "vertical", "transpose"))


class HINetMethod(RegressionMethod):
    version: ClassVar[int] = 1
    residual: ClassVar[bool | None] = True
    Config = HINetConfig
    config: HINetConfig
    facts: ClassVar[Facts] = Facts(
        title="HINet: Half Instance Normalization Network for Image Restoration", family="regression",
        venue="CVPR Workshops 2021", arxiv="2105.06086", code="https://github.com/megvii-model/HINet", licence="MIT",
        bibtex="""@inproceedings{chen2021hinet,
  title = {{HINet}: Half Instance Normalization Network for Image Restoration},
  author = {Chen, Liangyu and Lu, Xin and Zhang, Jie and Chu, Xiaojie and Chen, Chengpeng},
  booktitle = {CVPR Workshops}, year = {2021}
}""",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        return unless_same_size("HINet", self.task)

    def network(self) -> nn.Module:
        from ugpnet.nn.hinet import HINet

        config = self.config
        return HINet(
            3, config.wf, config.depth, hin_position_left=config.hin_position_left,
            hin_position_right=config.hin_position_right, second_stem=config.second_stem,
        )  # fmt: skip
