"""The degraded image itself: the row that every other row has to beat."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional as F

from methods.base import Facts, Method, Upstream
from ugpnet.recipe import Config


class Enlarge(nn.Module):
    """lq at the size of the ground truth: nearest-neighbour enlargement, the identity at scale 1."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, lq: Tensor) -> Tensor:
        return lq if self.scale == 1 else F.interpolate(lq, scale_factor=self.scale, mode="nearest")


class InputConfig(Config):
    """Nothing to set."""


class Input(Method):
    version: ClassVar[int] = 1
    any_size: ClassVar[bool] = True
    Config = InputConfig
    facts: ClassVar[Facts] = Facts(title="Degraded input", family="input")

    def network(self) -> nn.Module:
        return Enlarge(self.task.scale)

    def restorer(self, weights: Upstream) -> nn.Module:
        return self.network()
