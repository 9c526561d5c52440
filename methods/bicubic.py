"""Bicubic enlargement, the classical answer to super-resolution; also the template for a training-free method."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from methods.base import Facts, Method, Upstream
from ugpnet.recipe import Config


class Bicubic(nn.Module):
    """lq enlarged by bicubic interpolation (a = -0.75, half-pixel centres)."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, lq: Tensor) -> Tensor:
        return F.interpolate(lq, scale_factor=self.scale, mode="bicubic", align_corners=False)


class BicubicConfig(Config):
    """Nothing to set."""


class BicubicMethod(Method):
    version: ClassVar[int] = 1
    any_size: ClassVar[bool] = True
    Config = BicubicConfig
    facts: ClassVar[Facts] = Facts(title="Bicubic interpolation", family="regression")

    def unsupported(self) -> str | None:
        return None if self.task.scale > 1 else f"bicubic enlargement does nothing at scale 1 (task {self.task.name})"

    def network(self) -> nn.Module:
        return Bicubic(self.task.scale)

    def restorer(self, weights: Upstream) -> nn.Module:
        return self.network()
