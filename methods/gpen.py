"""GPEN (Yang et al., CVPR 2021): a StyleGAN2 embedded as the decoder of a U-shaped network, then trained with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.base import Facts, Method, Peer, Prior, Stage, Upstream
from methods.losses.identity import WEIGHTS, IdentityLoss
from methods.networks.gpen import GPEN, GPENDiscriminator, adopt_discriminator, embed_prior
from methods.networks.images import SignedRestorer, enlarge, signed, unfit_size, unsigned
from methods.recipes.adversarial import EMA, lazy_adam
from ugpnet.checkpoints import load_strict
from ugpnet.losses.adversarial import logistic_d_loss, logistic_g_loss
from ugpnet.losses.discrimination import LazyR1
from ugpnet.losses.regularisers import PathLengthPenalty
from ugpnet.recipe import Batch, Budget, Config, Optim, Player, Recipe, Shared, Term


class Architecture(Config):
    """Widths, those of GPEN-BFR-512; the side of the images is the task's."""

    style_dim: int = 512
    n_mlp: int = 8
    channel_multiplier: float = 2
    narrow: float = 1


class GPENTraining(LazyR1):
    """The released `train_simple.py`, images in [-1, 1]. A weight of 0 switches a term off.

    Lazy regularisers are optimiser steps of their own, every n-th iteration and multiplied by n; unlike in BasicSR the
    learning rates really are multiplied by n / (n + 1). `identity` is published as 1 and needs ArcFace weights.
    """

    optim: Optim = lazy_adam(2e-3 * 4 / 5, every=4)
    d_optim: Optim = lazy_adam(2e-3 * 16 / 17, every=16)
    adversarial: float = 1
    smooth_l1: float = 1
    identity: float = 0
    path_weight: float = 2
    path_every: int = 4
    average: float = EMA


class GPENConfig(Architecture):
    """`init: prior` starts from `prior`: a StyleGAN2, embedded as decoder, or another GPEN row (a released one, say)."""

    prior: Peer = "stylegan2"
    init: Literal["prior", "scratch"] = "prior"
    training: GPENTraining = GPENTraining()
    budget: Budget = Budget(iterations=4_000_000, batch_size=4, flips=("horizontal",))


class StageConfig(Config):
    """What the one stage reads."""

    size: int
    architecture: Architecture
    init: Literal["prior", "scratch"]
    training: GPENTraining


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
            return {"r1": self.config.r1_term(self.networks["discriminator"], gt)}
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


class GPENMethod(Method):
    version: ClassVar[int] = 1
    Config = GPENConfig
    config: GPENConfig
    facts: ClassVar[Facts] = Facts(
        title="GAN Prior Embedded Network for Blind Face Restoration in the Wild", family="generative", venue="CVPR 2021",
        arxiv="2105.06070", code="https://github.com/yangxy/GPEN",
        licence="academic and non-commercial use (released code); this code: MIT",
        bibtex="""@inproceedings{yang2021gpen,
  title = {{GAN} Prior Embedded Network for Blind Face Restoration in the Wild},
  author = {Yang, Tao and Ren, Peiran and Xie, Xuansong and Zhang, Lei},
  booktitle = {CVPR}, year = {2021}
}""",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        if self.config.init == "prior" and not isinstance(self.peers["prior"], (Prior, GPENMethod)):
            return f"prior: {self.config.prior!r} is neither a generative prior nor a GPEN"
        return unfit_size(self.task.size, 8)

    def notes(self) -> tuple[str, ...]:
        return () if self.config.training.identity else ("no identity loss (it needs ArcFace weights)",)

    def stages(self) -> tuple[Stage, ...]:
        config = self.config
        reads = StageConfig(
            size=self.task.size, architecture=config.only(Architecture), init=config.init, training=config.training
        )
        needs = (*(("prior",) if config.init == "prior" else ()), *((WEIGHTS,) if config.training.identity else ()))
        return (Stage("network", reads, config.budget, self._recipe, needs),)

    def network(self) -> GPEN:
        return GPEN(self.task.size, **self.config.only(Architecture).model_dump())

    def _recipe(self, upstream: Upstream) -> GPENRecipe:
        config, network = self.config, self.network()
        discriminator = GPENDiscriminator(self.task.size, config.channel_multiplier, narrow=config.narrow)
        if config.init == "prior":
            self._start(network, discriminator, upstream)
        identity = IdentityLoss(upstream[WEIGHTS][""]) if config.training.identity else None
        return GPENRecipe(network, discriminator, identity, config.training)

    def _start(self, network: GPEN, discriminator: GPENDiscriminator, upstream: Upstream) -> None:
        """Both players from the prior; the discriminator as it is where the prior's file brought none."""
        weights, whole = upstream["prior"], isinstance(self.peers["prior"], GPENMethod)
        if whole:
            load_strict(network, weights["network"], "GPEN prior")
        else:
            embed_prior(network, weights["generator"])
        if state := weights.get("discriminator"):
            if whole:
                load_strict(discriminator, state, "GPEN discriminator")
            else:
                adopt_discriminator(discriminator, state)

    def adapt(self, network: nn.Module) -> nn.Module:
        return SignedRestorer(network, self.task.scale)
