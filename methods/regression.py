"""What the regression methods share: one network, one pixel loss, one optimiser."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from methods.base import Method, Stage, Task, Upstream
from ugpnet.checkpoints import load_strict
from ugpnet.settings import Budget, Config, RegressionTraining

if TYPE_CHECKING:
    from torch import nn

    from ugpnet.regression import RegressionRecipe


class RegressionConfig(Config):
    """`training` and `budget` are how; each method adds its network's constructor values."""

    training: RegressionTraining = RegressionTraining()
    budget: Budget


class RegressionStageConfig(Config):
    """What the one stage reads: the network's constructor values and the recipe."""

    network: dict[str, object]
    training: RegressionTraining


class RegressionMethod(Method):
    """A network without a generative prior, trained on pixels alone. Sub-classes say which network."""

    Config: ClassVar[type[RegressionConfig]] = RegressionConfig
    any_size: ClassVar[bool] = True
    config: RegressionConfig

    def stages(self) -> tuple[Stage, ...]:
        architecture = self.config.model_dump(exclude={"training", "budget"}, mode="json")
        config = RegressionStageConfig(network=architecture, training=self.config.training)
        return (Stage("network", config, self.config.budget, lambda _: self._recipe()),)

    def _recipe(self) -> RegressionRecipe:
        from ugpnet.regression import RegressionRecipe

        return RegressionRecipe(self.network(), self.config.training)

    def restorer(self, weights: Upstream) -> nn.Module:
        network = self.network()
        load_strict(network, weights["network"]["network"], type(self).__name__)
        return network.eval()


def unless_same_size(network: str, task: Task) -> str | None:
    """Why a network whose output has the size of its input cannot do the task; None if it can."""
    return f"{network} keeps the size of its input; the task enlarges it" if task.scale > 1 else None
