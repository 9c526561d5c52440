"""U-Net (Ronneberger et al., MICCAI 2015): the paper's weakest regressor (Fig. 4)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from methods.base import Facts
from methods.regression import RegressionConfig, RegressionMethod, unless_same_size
from ugpnet.settings import Budget, Optim, RegressionTraining, Schedule

if TYPE_CHECKING:
    from torch import nn


class UNetConfig(RegressionConfig):
    """The widths of the paper of 2015. Nobody published how UGPNet's U-Net was trained: this is HINet's deblurring
    recipe, whose two stages are U-Nets."""

    width: int = 64
    depth: int = 5
    training: RegressionTraining = RegressionTraining(
        loss="psnr",
        optim=Optim(lr=2e-4, betas=(0.9, 0.99), schedule=Schedule(kind="cosine", floor=5e-4)),
        clip_norm=0.01,
    )
    budget: Budget = Budget(iterations=400_000, batch_size=64, patch=256, flips=("horizontal", "vertical", "transpose"))


class UNetMethod(RegressionMethod):
    version: ClassVar[int] = 1
    residual: ClassVar[bool | None] = True
    Config = UNetConfig
    config: UNetConfig
    facts: ClassVar[Facts] = Facts(
        title="U-Net: Convolutional Networks for Biomedical Image Segmentation", family="regression",
        venue="MICCAI 2015", arxiv="1505.04597",
        code="https://lmb.informatik.uni-freiburg.de/people/ronneber/u-net", licence="MIT (this code)",
        bibtex="""@inproceedings{ronneberger2015unet,
  title = {{U-Net}: Convolutional Networks for Biomedical Image Segmentation},
  author = {Ronneberger, Olaf and Fischer, Philipp and Brox, Thomas},
  booktitle = {MICCAI}, year = {2015}
}""",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        return unless_same_size("U-Net", self.task)

    def network(self) -> nn.Module:
        from ugpnet.nn.unet import UNet

        return UNet(self.config.width, self.config.depth)
