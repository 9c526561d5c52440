"""GPEN's training: lazy regularisers as optimiser steps of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from methods.losses.identity import IdentityLoss
from methods.networks.gpen import GPEN, GPENDiscriminator
from methods.networks.images import enlarge, signed, unsigned
from ugpnet.losses.adversarial import logistic_d_loss, logistic_g_loss
from ugpnet.losses.discrimination import r1_term
from ugpnet.losses.regularisers import PathLengthPenalty
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term

if TYPE_CHECKING:
    from methods.gpen import GPENTraining


class GPENRecipe(Recipe):
    """Discriminator, R1, network, path length: four steps, each with a forward pass of its own."""

    def __init__(
        self, network: GPEN, discriminator: GPENDiscriminator, identity: IdentityLoss | None, config: GPENTraining
    ) -> None:
        super().__init__(
            {"network": network, "discriminator": discriminator}, _players(config), {"network": config.average}
        )
        self.identity = identity
        self.config = config
        self.path_length = PathLengthPenalty()

    def forward(self, batch: Batch, step: int) -> Shared:
        return {}

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        lq, gt = self._input(batch.lq), signed(batch.gt)
        if player == "discriminator":
            return self._discriminator(lq, gt)
        if player == "r1":
            return {"r1": r1_term(self.config, self.networks["discriminator"], gt)}
        return self._network(lq, gt) if player == "network" else self._path_length(lq, batch.generator)

    def _input(self, lq: Tensor) -> Tensor:
        return signed(enlarge(lq, self._gpen.size // lq.shape[-1]))

    @property
    def _gpen(self) -> GPEN:
        return cast(GPEN, self.networks["network"])

    def _judge(self, images: Tensor) -> Tensor:
        logits: Tensor = self.networks["discriminator"](images)
        return logits

    def _discriminator(self, lq: Tensor, gt: Tensor) -> Mapping[str, Term]:
        with torch.no_grad():
            fake = self._gpen(lq)
        return {"d": Term(1.0, logistic_d_loss(self._judge(gt), self._judge(fake)))}

    def _network(self, lq: Tensor, gt: Tensor) -> Mapping[str, Term]:
        config, restored = self.config, self._gpen(lq)
        terms = {"smooth_l1": Term(config.smooth_l1, F.smooth_l1_loss(restored, gt))}
        if config.adversarial:
            terms["adv"] = Term(config.adversarial, logistic_g_loss(self._judge(restored)))
        if self.identity is not None:
            terms["identity"] = Term(config.identity, self.identity(restored, gt))
        return terms

    def _path_length(self, lq: Tensor, generator: torch.Generator) -> Mapping[str, Term]:
        penalty = self.path_length(*self._gpen.synthesize(lq), generator)
        return {"path": Term(self.config.path_weight * self.config.path_every, penalty)}

    def restore(self, lq: Tensor) -> Tensor:
        return unsigned(self._gpen(self._input(lq)))


def _players(config: GPENTraining) -> tuple[Player, ...]:
    """Players with the same networks share an optimiser, as the lazy regularisers do with the losses."""
    players = [Player("discriminator", ("discriminator",), config.d_optim)]
    if config.r1_weight:
        players.append(Player("r1", ("discriminator",), config.d_optim, every=config.r1_every))
    players.append(Player("network", ("network",), config.optim))
    if config.path_weight:
        players.append(Player("path_length", ("network",), config.optim, every=config.path_every))
    return tuple(players)
