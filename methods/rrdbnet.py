"""RRDBNet (Wang et al., ECCV Workshops 2018): the paper's regressor for super-resolution, ESRGAN before its GAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, cast

from methods.base import Facts
from methods.recipes import basicsr
from methods.regression import RegressionConfig, RegressionMethod
from ugpnet.settings import Budget, RegressionTraining

if TYPE_CHECKING:
    from torch import nn

SCALES = (1, 2, 4, 8)


class RRDBNetConfig(RegressionConfig):
    """BasicSR's widths and x4 recipe (`train_RRDBNet_PSNR_x4.yml`); no recipe for x8 was published."""

    num_feat: int = 64
    num_block: int = 23
    num_grow_ch: int = 32
    training: RegressionTraining = basicsr.PIXELS
    budget: Budget = basicsr.BUDGET


class RRDBNetMethod(RegressionMethod):
    version: ClassVar[int] = 1
    residual: ClassVar[bool | None] = False
    Config = RRDBNetConfig
    config: RRDBNetConfig
    facts: ClassVar[Facts] = Facts(
        title="ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks (RRDBNet)", family="regression",
        venue="ECCV Workshops 2018", arxiv="1809.00219", code="https://github.com/XPixelGroup/BasicSR",
        licence="Apache-2.0",
        bibtex=basicsr.BIBTEX,
    )  # fmt: skip

    def unsupported(self) -> str | None:
        scale = self.task.scale
        return None if scale in SCALES else f"RRDBNet enlarges 1, 2, 4 or 8 times, not {scale} times"

    def network(self) -> nn.Module:
        from ugpnet.nn.rrdbnet import RRDBNet

        config = self.config
        scale = cast(Literal[1, 2, 4, 8], self.task.scale)
        return RRDBNet(3, 3, scale, config.num_feat, config.num_block, config.num_grow_ch)
