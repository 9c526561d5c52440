"""VQFR's first training: a VQGAN that learns the dictionary from high-quality images alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from methods.networks.images import signed
from methods.networks.vq_codebook import Reservoir, as_vectors
from methods.networks.vqfr import VQGAN
from methods.recipes.vqfr_config import CodebookTraining, Reestimation
from methods.recipes.vqfr_terms import Likeness
from ugpnet.losses.adversarial import logistic_g_loss
from ugpnet.losses.discrimination import logistic_terms
from ugpnet.losses.pixel import l1_loss
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term


class CodebookRecipe(Recipe):
    """Network first, then the discriminator on the detached output of the same forward pass. Images in [-1, 1]."""

    def __init__(self, network: VQGAN, judge: nn.Module, likeness: Likeness, config: CodebookTraining) -> None:
        players = (Player("network", ("network",), config.optim), Player("judge", ("judge",), config.d_optim))
        super().__init__({"network": network, "judge": judge}, players)
        self.likeness = likeness
        self.config = config
        plan, dim = config.reestimation, network.codebook.embedding.embedding_dim
        self.reservoir = None if plan is None else Reservoir(plan.reservoir, dim)

    @property
    def network(self) -> VQGAN:
        return cast(VQGAN, self.networks["network"])

    def forward(self, batch: Batch, step: int) -> Shared:
        plan, gt = self.config.reestimation, signed(batch.gt)
        z = self.network.encode(gt)
        if plan is not None and step < plan.until:
            self._reestimate(z.detach(), plan, step, batch.generator)
        if plan is not None and step < plan.warmup:
            return {"image": self.network.decode(z)[0], "gt": gt}
        quantized = self.network.codebook(z)
        return {"image": self.network.decode(quantized.code)[0], "gt": gt, "codebook": quantized.loss}

    @torch.no_grad()
    def _reestimate(self, z: Tensor, plan: Reestimation, step: int, generator: torch.Generator) -> None:
        reservoir, entries = cast(Reservoir, self.reservoir), self.network.codebook.embedding.weight
        reservoir.add(as_vectors(z), generator)
        if (step + 1) % plan.every == 0 and len(reservoir) >= len(entries):
            with torch.autocast(z.device.type, enabled=False):
                entries.copy_(reservoir.cluster(len(entries), generator))
            reservoir.clear()

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        config, judge = self.config, self.networks["judge"]
        image, gt, playing = shared["image"], shared["gt"], step >= config.gan_start
        if player == "judge":
            return logistic_terms(judge, gt, image.detach(), config, step) if playing else {}
        terms = {
            "l1": Term(config.l1_weight, l1_loss(image, gt)),
            config.perceptual.label: Term(config.perceptual_weight, self.likeness.perceptual(image, gt)),
        }
        if "codebook" in shared:
            terms["codebook"] = Term(config.codebook_weight, shared["codebook"])
        if playing:
            terms["gan"] = Term(config.gan_weight, logistic_g_loss(judge(image)))
        return terms

    def restore(self, lq: Tensor) -> Tensor:
        raise TypeError("VQFR's codebook stage restores nothing: it reads high-quality images only")
