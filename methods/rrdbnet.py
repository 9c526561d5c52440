"""RRDBNet (Wang et al., ECCV Workshops 2018): the paper's regressor for super-resolution, ESRGAN before its GAN."""

from __future__ import annotations

from typing import ClassVar, Literal, cast

from torch import nn

from methods.base import Facts
from methods.regression import RegressionConfig, RegressionMethod
from ugpnet.nn.rrdbnet import RRDBNet
from ugpnet.recipe import Budget, Optim, Schedule
from ugpnet.regression import RegressionTraining

SCALES = (1, 2, 4, 8)


class RRDBNetConfig(RegressionConfig):
    """BasicSR's widths and x4 recipe (`train_RRDBNet_PSNR_x4.yml`); no recipe for x8 was published."""

    num_feat: int = 64
    num_block: int = 23
    num_grow_ch: int = 32
    training: RegressionTraining = RegressionTraining(
        loss="l1",
        optim=Optim(lr=2e-4, betas=(0.9, 0.99), schedule=Schedule(kind="cosine_restarts", total=250_000, floor=5e-4)),
        average=0.999,
    )
    budget: Budget = Budget(
        iterations=1_000_000, batch_size=16, patch=128, flips=("horizontal", "vertical", "transpose")
    )


class RRDBNetMethod(RegressionMethod):
    version: ClassVar[int] = 1
    Config = RRDBNetConfig
    config: RRDBNetConfig
    facts: ClassVar[Facts] = Facts(
        title="ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks (RRDBNet)", family="regression",
        venue="ECCV Workshops 2018", arxiv="1809.00219", code="https://github.com/XPixelGroup/BasicSR",
        licence="Apache-2.0",
        bibtex="""@inproceedings{wang2018esrgan,
  title = {{ESRGAN}: Enhanced Super-Resolution Generative Adversarial Networks},
  author = {Wang, Xintao and Yu, Ke and Wu, Shixiang and Gu, Jinjin and Liu, Yihao and Dong, Chao and Qiao, Yu
            and Loy, Chen Change},
  booktitle = {ECCV Workshops}, year = {2018}
}""",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        scale = self.task.scale
        return None if scale in SCALES else f"RRDBNet enlarges 1, 2, 4 or 8 times, not {scale} times"

    def network(self) -> nn.Module:
        config = self.config
        scale = cast(Literal[1, 2, 4, 8], self.task.scale)
        return RRDBNet(3, 3, scale, config.num_feat, config.num_block, config.num_grow_ch)
