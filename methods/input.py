"""The degraded image itself: the row that every other row has to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from methods.base import Facts, Method, Upstream
from ugpnet.settings import Config

if TYPE_CHECKING:
    from torch import nn


class InputConfig(Config):
    """Nothing to set."""


class Input(Method):
    version: ClassVar[int] = 1
    any_size: ClassVar[bool] = True
    Config = InputConfig
    facts: ClassVar[Facts] = Facts(title="Degraded input", family="input")

    def network(self) -> nn.Module:
        from methods.networks.enlargement import Enlarge

        return Enlarge(self.task.scale)

    def restorer(self, weights: Upstream) -> nn.Module:
        return self.network()
