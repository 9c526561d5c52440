"""Training a regression network: a pixel loss and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ugpnet.augmentation import mix_pairs
from ugpnet.losses.pixel import charbonnier_loss, l1_loss, mse_loss, psnr_loss
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term
from ugpnet.settings import PixelLoss, RegressionTraining

PIXEL_LOSSES: Mapping[PixelLoss, Callable[[Tensor, Tensor], Tensor]] = {
    "psnr": psnr_loss, "l1": l1_loss, "mse": mse_loss, "charbonnier": charbonnier_loss,
}  # fmt: skip


class RegressionRecipe(Recipe):
    """Minimise the pixel loss between restored and gt.

    A network with `stage_outputs` (HINet) has the losses of all its outputs summed, as its authors train it.
    """

    def __init__(self, network: nn.Module, training: RegressionTraining) -> None:
        player = Player("network", ("network",), training.optim, clip_norm=training.clip_norm)
        average = {} if training.average is None else {"network": training.average}
        super().__init__({"network": network}, (player,), average)
        self.training_config = training

    @property
    def separable(self) -> bool:
        return self.training_config.mixup is None and all(map(_treats_images_alone, self.networks.modules()))

    def forward(self, batch: Batch, step: int) -> Shared:
        network, (lq, gt) = self.networks["network"], self._pairs(batch, step)
        several = getattr(network, "stage_outputs", None)
        return {"restored": several(lq) if several else (network(lq),), "gt": gt}

    def _pairs(self, batch: Batch, step: int) -> tuple[Tensor, Tensor]:
        mixup = self.training_config.mixup
        if mixup is None or step < mixup.start:
            return batch.lq, batch.gt
        return mix_pairs(batch.lq, batch.gt, mixup.concentration, batch.generator)

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        loss = PIXEL_LOSSES[self.training_config.loss]
        return {
            f"{self.training_config.loss}_{index}" if index else self.training_config.loss: Term(
                self.training_config.weight, loss(restored, shared["gt"])
            )
            for index, restored in enumerate(shared["restored"])
        }

    def restore(self, lq: Tensor) -> Tensor:
        restored: Tensor = self.networks["network"](lq)
        return restored


def _treats_images_alone(layer: nn.Module) -> bool:
    """No statistics of the batch, nothing at random: dropout and stochastic depth have a probability `p` or `drop_prob`."""
    probabilities = (getattr(layer, name, None) for name in ("p", "drop_prob"))
    return not isinstance(layer, _BatchNorm) and not any(isinstance(p, float) and p > 0 for p in probabilities)
