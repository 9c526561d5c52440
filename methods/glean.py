"""GLEAN (Chan et al., CVPR 2021): super-resolution between an encoder and a decoder that draw on a frozen StyleGAN2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import Facts, Peer, PriorMethod, Stage, Upstream, unfit_size
from methods.networks.sizes import GLEAN_START
from methods.recipes.perceptual import PerceptualTerm
from ugpnet.checkpoints import load_strict, unwrap
from ugpnet.settings import Budget, Config, Optim, Schedule

if TYPE_CHECKING:
    from torch import nn

    from methods.networks.glean import GLEAN
    from methods.recipes.glean import GLEANRecipe
    from ugpnet.nn.stylegan2 import StyleGAN2Generator
    from ugpnet.recipe import Weights

RATES = Optim(lr=1e-4, betas=(0.9, 0.99), schedule=Schedule(kind="cosine", total=600_000, floor=1e-3))
"""The cosine is twice as long as the run, which so ends at half the rate."""


class Architecture(Config):
    """The encoder's trunk; every other width is the prior's."""

    rrdb_channels: int = 64
    num_rrdbs: int = 23
    growth: int = 32


class GLEANTraining(Config):
    """mmagic's recipe, images in [-1, 1]. A weight of 0 switches the adversarial term off.

    `rescale` maps images to [0, 1] before VGG16, as the released x8 configuration of 1024 px does; x16 and others do not.
    """

    optim: Optim = RATES
    d_optim: Optim = RATES
    mse: float = 1
    perceptual: PerceptualTerm = PerceptualTerm()
    perceptual_weight: float = 0.01
    rescale: bool = False
    adversarial: float = 0.01


class GLEANConfig(Architecture):
    """`prior` is the StyleGAN2 inside, which stays as it is; its discriminator goes on learning."""

    prior: Peer = "stylegan2"
    training: GLEANTraining = GLEANTraining()
    budget: Budget = Budget(iterations=300_000, batch_size=16, flips=("horizontal",))


class StageConfig(Config):
    """What the one stage reads beside the prior."""

    in_size: int
    architecture: Architecture
    training: GLEANTraining


class GLEANMethod(PriorMethod):
    version: ClassVar[int] = 1
    Config = GLEANConfig
    config: GLEANConfig
    facts: ClassVar[Facts] = Facts(
        title="GLEAN: Generative Latent Bank for Large-Factor Image Super-Resolution", family="generative",
        venue="CVPR 2021", arxiv="2012.00739", code="https://github.com/open-mmlab/mmagic", licence="Apache-2.0",
        bibtex="""@inproceedings{chan2021glean,
  title = {{GLEAN}: Generative Latent Bank for Large-Factor Image Super-Resolution},
  author = {Chan, Kelvin C. K. and Wang, Xintao and Xu, Xiangyu and Gu, Jinwei and Loy, Chen Change},
  booktitle = {CVPR}, year = {2021}
}""",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        if self.task.scale == 1:
            return f"GLEAN only enlarges images; task {self.task.name} keeps their size"
        unfit = unfit_size(self.task.size, 2 * GLEAN_START) or unfit_size(self._in_size, GLEAN_START)
        return super().unsupported() or unfit

    def notes(self) -> tuple[str, ...]:
        return self.config.training.perceptual.notes

    @property
    def _in_size(self) -> int:
        return self.task.size // self.task.scale

    def stages(self) -> tuple[Stage, ...]:
        training = self.config.training
        reads = StageConfig(in_size=self._in_size, architecture=self.config.only(Architecture), training=training)
        return (Stage("network", reads, self.config.budget, self._recipe, ("prior", *training.perceptual.needs)),)

    def network(self) -> GLEAN:
        return self._around(self.prior.network())

    def _around(self, generator: StyleGAN2Generator) -> GLEAN:
        from methods.networks.glean import GLEAN

        return GLEAN(self._in_size, generator, **self.config.only(Architecture).model_dump())

    def _recipe(self, upstream: Upstream) -> GLEANRecipe:
        from methods.losses.perceptual import build_term
        from methods.recipes.glean import GLEANRecipe

        training, generator = self.config.training, self.prior.network()
        load_strict(generator, upstream["prior"]["generator"], "GLEAN prior")
        discriminator = self._discriminator(upstream)
        perceptual = build_term(training.perceptual, upstream, "mse", training.rescale, discriminator)
        return GLEANRecipe(self._around(generator), discriminator, perceptual, training)

    def _discriminator(self, upstream: Upstream) -> nn.Module:
        """The prior's own; fresh where its file brought none, unless its features are to be compared."""
        discriminator = self.prior.discriminator()
        state = upstream["prior"].get("discriminator", {})
        if state or self.config.training.perceptual.features == "prior_discriminator":
            load_strict(discriminator, state, "GLEAN prior's discriminator")
        return discriminator

    def adopt(self, stage: str, checkpoint: Mapping[str, Any]) -> Weights:
        """A file of mmagic's, from which the restoration network is taken."""
        from methods.networks.glean import own_entries

        network = self.network()
        state = own_entries(unwrap(checkpoint, network.state_dict()))
        load_strict(network, state, "GLEAN")
        return {"network": state}

    def adapt(self, network: nn.Module) -> nn.Module:
        from methods.networks.images import SignedRestorer

        return SignedRestorer(network)
