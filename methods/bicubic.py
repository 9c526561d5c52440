"""Bicubic enlargement, the classical answer to super-resolution; also the template for a training-free method."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from methods.base import Facts, Method, Upstream
from ugpnet.settings import Config

if TYPE_CHECKING:
    from torch import nn


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
        from methods.networks.enlargement import Bicubic

        return Bicubic(self.task.scale)

    def restorer(self, weights: Upstream) -> nn.Module:
        return self.network()
