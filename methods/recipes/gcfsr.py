"""GCFSR's training, and what runs it under one strength."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from methods.networks.gcfsr import GCFSR
from methods.networks.images import enlarge, reduce, signed, unsigned
from ugpnet.losses.adversarial import logistic_g_loss
from ugpnet.losses.discrimination import logistic_terms
from ugpnet.losses.pixel import l1_loss
from ugpnet.nn.stylegan2 import draw_normal
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term

if TYPE_CHECKING:
    from methods.gcfsr import StageConfig

NOISE_SEED = 0


class GCFSRRecipe(Recipe):
    """Discriminator with R1, then network, each with a forward pass and noise of its own."""

    def __init__(
        self, network: GCFSR, discriminator: nn.Module, perceptual: nn.Module | None, config: StageConfig
    ) -> None:
        training = config.training
        super().__init__(
            {"network": network, "discriminator": discriminator},
            (
                Player("discriminator", ("discriminator",), training.d_optim),
                Player("network", ("network",), training.optim),
            ),
            {"network": training.average},
        )
        self.perceptual = perceptual
        self.config = training
        self.strength = config.strength

    def forward(self, batch: Batch, step: int) -> Shared:
        """The inputs, which both players share; no graph."""
        if self.config.scales:
            return _reduced_again(batch, self.config.scales, self.config.cond_norm)
        lq = enlarge(batch.lq, batch.gt.shape[-1] // batch.lq.shape[-1])
        return {"lq": signed(lq), "strength": lq.new_full((1, 1), self.strength)}

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        network = self.networks["network"]
        with torch.set_grad_enabled(player == "network"):
            restored: Tensor = network(shared["lq"], shared["strength"], generator=batch.generator)
        gt = signed(batch.gt)
        if player == "network":
            return self._network(restored, gt)
        return logistic_terms(self.networks["discriminator"], gt, restored, self.config, step)

    def _network(self, restored: Tensor, gt: Tensor) -> Mapping[str, Term]:
        config = self.config
        terms = {"l1": Term(config.l1, l1_loss(restored, gt))}
        if config.adversarial:
            terms["adv"] = Term(config.adversarial, logistic_g_loss(self.networks["discriminator"](restored)))
        if self.perceptual is not None:
            terms[config.perceptual.label] = Term(config.perceptual_weight, self.perceptual(restored, gt))
        return terms

    def restore(self, lq: Tensor) -> Tensor:
        network = cast(GCFSR, self.networks["network"])
        restorer = GCFSRRestorer(network, self.strength, network.out_size // lq.shape[-1])
        restored: Tensor = restorer.to(lq.device)(lq)
        return restored


def _reduced_again(batch: Batch, scales: tuple[int, ...], cond_norm: float) -> Shared:
    """Every ground truth at a scale of its own and enlarged again, in 8 bits, with the strengths that say so."""
    drawn = torch.randint(len(scales), (len(batch.gt),), generator=batch.generator).tolist()
    chosen = [scales[index] for index in drawn]
    images = [enlarge(reduce(gt[None], scale), scale) for gt, scale in zip(batch.gt, chosen, strict=True)]
    lq = (torch.cat(images).clamp(0, 1) * 255).round() / 255
    return {"lq": signed(lq), "strength": lq.new_tensor(chosen)[:, None] / cond_norm}


class GCFSRRestorer(nn.Module):
    """lq and restored in [0, 1], lq enlarged `scale` times first, under one strength and with the same noise always.

    The released code draws noise anew on every call, so that no result could be had twice.
    """

    def __init__(self, network: GCFSR, strength: float, scale: int = 1) -> None:
        super().__init__()
        self.network = network
        self.strength = strength
        self.scale = scale
        generator = torch.Generator().manual_seed(NOISE_SEED)
        self.noise = nn.Module()
        for index, shape in enumerate(network.noise_shapes()):
            noise = draw_normal(shape, torch.zeros(()), generator)
            self.noise.register_buffer(f"map{index}", noise, persistent=False)

    def forward(self, lq: Tensor) -> Tensor:
        x = signed(enlarge(lq, self.scale))
        noise = [noise.to(x.dtype) for noise in self.noise.buffers()]
        return unsigned(cast(Tensor, self.network(x, x.new_full((1, 1), self.strength), noise)))
