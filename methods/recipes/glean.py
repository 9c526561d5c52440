"""GLEAN's training around a frozen StyleGAN2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn

from methods.networks.glean import GLEAN
from methods.networks.images import signed, unsigned
from ugpnet.losses.adversarial import vanilla_d_loss, vanilla_g_loss
from ugpnet.losses.pixel import mse_loss
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term

if TYPE_CHECKING:
    from methods.glean import GLEANTraining


class GLEANRecipe(Recipe):
    """Network, then discriminator on the detached output of the same forward pass."""

    def __init__(
        self, network: GLEAN, discriminator: nn.Module, perceptual: nn.Module | None, config: GLEANTraining
    ) -> None:
        super().__init__(
            {"network": network, "discriminator": discriminator},
            (
                Player("network", ("network",), config.optim),
                Player("discriminator", ("discriminator",), config.d_optim),
            ),
        )
        network.generator.requires_grad_(False)
        self.perceptual = perceptual
        self.config = config

    def forward(self, batch: Batch, step: int) -> Shared:
        return {"restored": self.networks["network"](signed(batch.lq))}

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        restored, gt, judge = shared["restored"], signed(batch.gt), self.networks["discriminator"]
        if player == "discriminator":
            return {"d": Term(1.0, vanilla_d_loss(judge(gt), judge(restored.detach())))}
        return self._network(restored, gt)

    def _network(self, restored: Tensor, gt: Tensor) -> Mapping[str, Term]:
        config = self.config
        terms = {"mse": Term(config.mse, mse_loss(restored, gt))}
        if config.adversarial:
            terms["adv"] = Term(config.adversarial, vanilla_g_loss(self.networks["discriminator"](restored)))
        if self.perceptual is not None:
            terms[config.perceptual.label] = Term(config.perceptual_weight, self.perceptual(restored, gt))
        return terms

    def restore(self, lq: Tensor) -> Tensor:
        return unsigned(self.networks["network"](signed(lq)))
