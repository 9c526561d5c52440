"""GPEN (Yang et al., CVPR 2021): a StyleGAN2 embedded as the decoder of a U-shaped network, then trained with it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import Facts, Method, Peer, Prior, Stage, Upstream, unfit_size
from methods.losses.backbones import ARCFACE
from methods.recipes.adversarial import EMA, lazy_adam
from ugpnet.checkpoints import load_strict
from ugpnet.settings import Budget, Config, LazyR1, Optim

if TYPE_CHECKING:
    from torch import nn

    from methods.networks.gpen import GPEN, GPENDiscriminator
    from methods.recipes.gpen import GPENRecipe


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
        needs = (*(("prior",) if config.init == "prior" else ()), *((ARCFACE,) if config.training.identity else ()))
        return (Stage("network", reads, config.budget, self._recipe, needs),)

    def network(self) -> GPEN:
        from methods.networks.gpen import GPEN

        return GPEN(self.task.size, **self.config.only(Architecture).model_dump())

    def _recipe(self, upstream: Upstream) -> GPENRecipe:
        from methods.losses.identity import IdentityLoss
        from methods.networks.gpen import GPENDiscriminator
        from methods.recipes.gpen import GPENRecipe

        config, network = self.config, self.network()
        discriminator = GPENDiscriminator(self.task.size, config.channel_multiplier, narrow=config.narrow)
        if config.init == "prior":
            self._start(network, discriminator, upstream)
        identity = IdentityLoss(upstream[ARCFACE][""]) if config.training.identity else None
        return GPENRecipe(network, discriminator, identity, config.training)

    def _start(self, network: GPEN, discriminator: GPENDiscriminator, upstream: Upstream) -> None:
        """Both players from the prior; the discriminator as it is where the prior's file brought none."""
        from methods.networks.gpen import adopt_discriminator, embed_prior

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
        from methods.networks.images import SignedRestorer

        return SignedRestorer(network, self.task.scale)
