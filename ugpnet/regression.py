"""Training a regression network: a pixel loss and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

from torch import Tensor, nn

from ugpnet.losses.pixel import charbonnier_loss, l1_loss, mse_loss, psnr_loss
from ugpnet.recipe import Batch, Config, Optim, Player, Recipe, Shared, Term

PixelLoss: TypeAlias = Literal["psnr", "l1", "mse", "charbonnier"]

PIXEL_LOSSES: Mapping[PixelLoss, Callable[[Tensor, Tensor], Tensor]] = {
    "psnr": psnr_loss, "l1": l1_loss, "mse": mse_loss, "charbonnier": charbonnier_loss,
}  # fmt: skip


class RegressionTraining(Config):
    """Pixel loss with its weight, optimiser, global gradient norm (None: not clipped)."""

    loss: PixelLoss = "psnr"
    weight: float = 1.0
    optim: Optim = Optim()
    clip_norm: float | None = None


class RegressionRecipe(Recipe):
    """Minimise the pixel loss between restored and gt.

    A network with `stage_outputs` (HINet) has the losses of all its outputs summed, as its authors train it.
    """

    def __init__(self, network: nn.Module, training: RegressionTraining) -> None:
        player = Player("network", ("network",), training.optim, clip_norm=training.clip_norm)
        super().__init__({"network": network}, (player,))
        self.training_config = training

    def forward(self, batch: Batch, step: int) -> Shared:
        network = self.networks["network"]
        several = getattr(network, "stage_outputs", None)
        return {"restored": several(batch.lq) if several else (network(batch.lq),)}

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        loss = PIXEL_LOSSES[self.training_config.loss]
        return {
            f"{self.training_config.loss}_{index}" if index else self.training_config.loss: Term(
                self.training_config.weight, loss(restored, batch.gt)
            )
            for index, restored in enumerate(shared["restored"])
        }

    def restore(self, lq: Tensor) -> Tensor:
        restored: Tensor = self.networks["network"](lq)
        return restored
