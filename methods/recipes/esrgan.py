"""ESRGAN's training against a relativistic discriminator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from torch import Tensor, nn

from ugpnet.losses.adversarial import relativistic_d_loss, relativistic_g_loss
from ugpnet.losses.perceptual import VGGPerceptualLoss
from ugpnet.losses.pixel import l1_loss
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term

if TYPE_CHECKING:
    from methods.esrgan import ESRGANTraining


class ESRGANRecipe(Recipe):
    """Network, then discriminator on the detached output of the same forward pass."""

    def __init__(
        self, network: nn.Module, discriminator: nn.Module, perceptual: nn.Module | None, config: ESRGANTraining
    ) -> None:
        super().__init__(
            {"network": network, "discriminator": discriminator},
            (
                Player("network", ("network",), config.optim),
                Player("discriminator", ("discriminator",), config.d_optim),
            ),
            {"network": config.average},
        )
        self.perceptual = perceptual
        self.config = config

    def forward(self, batch: Batch, step: int) -> Shared:
        return {"restored": self.networks["network"](batch.lq)}

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        restored, gt, judge = shared["restored"], batch.gt, self.networks["discriminator"]
        if player == "discriminator":
            return {"d": Term(1.0, relativistic_d_loss(judge(gt), judge(restored.detach())))}
        return self._network(restored, gt)

    def _network(self, restored: Tensor, gt: Tensor) -> Mapping[str, Term]:
        config, judge = self.config, self.networks["discriminator"]
        terms = {"l1": Term(config.l1, l1_loss(restored, gt))}
        if self.perceptual is not None:
            terms[config.perceptual.label] = Term(config.perceptual_weight, self.perceptual(restored, gt))
        if config.adversarial:
            terms["adv"] = Term(config.adversarial, relativistic_g_loss(judge(gt), judge(restored)))
        return terms

    def restore(self, lq: Tensor) -> Tensor:
        restored: Tensor = self.networks["network"](lq)
        return restored


class Conv5Loss(nn.Module):
    """Mean absolute difference of VGG19's conv5_4 of two images (B, 3, H, W) in [0, 1], a scalar."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.loss = VGGPerceptualLoss("vgg19", {"conv5_4": 1.0}, weights)

    def forward(self, restored: Tensor, gt: Tensor) -> Tensor:
        return cast(Tensor, self.loss(restored, gt)["perceptual"])
