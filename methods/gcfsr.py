"""GCFSR (He et al., CVPR 2022): face super-resolution without a prior, as strong as a condition says."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal, cast

from methods.base import Facts, Method, Stage, Upstream, unfit_size
from methods.networks.sizes import GCFSR_START
from methods.recipes.adversarial import EMA, lazy_adam
from methods.recipes.perceptual import PerceptualTerm
from ugpnet.settings import Budget, Config, LazyR1, Optim

if TYPE_CHECKING:
    from torch import nn

    from methods.networks.gcfsr import GCFSR
    from methods.recipes.gcfsr import GCFSRRecipe


class Architecture(Config):
    """Widths, those of the released 512 px models. `blind` is the variant without a condition, for any degradation."""

    variant: Literal["controllable", "blind"] = "controllable"
    num_style_feat: int = 512
    channel_multiplier: float = 2
    narrow: float = 1


class GCFSRTraining(LazyR1):
    """The released recipe (`train_gcfsr_gan.yml`), images in [-1, 1]. A weight of 0 switches a term off.

    In super-resolution, every sample is reduced by one of `scales`, drawn anew, and the condition tells the network by
    which: `scale / cond_norm` (64 for the 1024 px model). With no `scales`, and in other tasks, it learns from the
    task's own pairs under one condition. The released option file names path-length terms that its code never runs.
    """

    optim: Optim = lazy_adam(2e-3, every=4)
    d_optim: Optim = lazy_adam(2e-3, every=16)
    l1: float = 1
    adversarial: float = 0.01
    perceptual: PerceptualTerm = PerceptualTerm()
    perceptual_weight: float = 0.01
    scales: tuple[int, ...] = (32, 32, 32, 32, 16, 16, 8, 8, 4)
    cond_norm: float = 32
    average: float = EMA


class GCFSRConfig(Architecture):
    """`strength` is the condition at test time: more than the task's own (None) makes up more detail, less blurs."""

    strength: float | None = None
    training: GCFSRTraining = GCFSRTraining()
    budget: Budget = Budget(iterations=800_000, batch_size=24, flips=("horizontal",))


class StageConfig(Config):
    """What the one stage reads; `strength` is the task's own."""

    size: int
    architecture: Architecture
    strength: float
    training: GCFSRTraining


class GCFSRMethod(Method):
    version: ClassVar[int] = 1
    Config = GCFSRConfig
    config: GCFSRConfig
    facts: ClassVar[Facts] = Facts(
        title="GCFSR: a Generative and Controllable Face Super Resolution Method Without Facial and GAN Priors",
        family="generative", venue="CVPR 2022", arxiv="2203.07319",
        code="https://github.com/hejingwenhejingwen/GCFSR", licence="none stated (released code); this code: MIT",
        bibtex="""@inproceedings{he2022gcfsr,
  title = {{GCFSR}: a Generative and Controllable Face Super Resolution Method Without Facial and {GAN} Priors},
  author = {He, Jingwen and Shi, Wu and Chen, Kai and Fu, Lean and Dong, Chao},
  booktitle = {CVPR}, year = {2022}
}""",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        if self.config.training.perceptual.features == "prior_discriminator":
            return "perceptual: GCFSR has no prior, hence no prior_discriminator; use vgg16, random or off"
        return unfit_size(self.task.size, GCFSR_START)

    def notes(self) -> tuple[str, ...]:
        training = self._training()
        scales = ", ".join(f"x{scale}" for scale in sorted(set(training.scales)))
        own = (f"trained on bicubic {scales}, not on the task's pairs",) if scales else ()
        return (*own, *training.perceptual.notes)

    def stages(self) -> tuple[Stage, ...]:
        reads = self._reads()
        return (Stage("network", reads, self.config.budget, self._recipe, reads.training.perceptual.needs),)

    def _reads(self) -> StageConfig:
        architecture = self.config.only(Architecture)
        training = self._training()
        return StageConfig(size=self.task.size, architecture=architecture, strength=self._strength(), training=training)

    def _training(self) -> GCFSRTraining:
        """Scales are drawn in super-resolution only, and only where the network is told of them."""
        training = self.config.training
        told = self.task.scale > 1 and self.config.variant == "controllable"
        return training if told else training.model_copy(update={"scales": ()})

    def _strength(self) -> float:
        """The task's own: its scale over the constant in super-resolution, else full."""
        if self.task.scale == 1 or self.config.variant == "blind":
            return 1.0
        return self.task.scale / self.config.training.cond_norm

    def network(self) -> GCFSR:
        from methods.networks.gcfsr import GCFSR, GCFSRBlind

        config = self.config
        made = GCFSR if config.variant == "controllable" else GCFSRBlind
        return made(self.task.size, config.num_style_feat, config.channel_multiplier, narrow=config.narrow)

    def _recipe(self, upstream: Upstream) -> GCFSRRecipe:
        from methods.losses.perceptual import build_term
        from methods.recipes.gcfsr import GCFSRRecipe
        from ugpnet.nn.discriminator import StyleGAN2Discriminator

        config = self.config
        discriminator = StyleGAN2Discriminator(
            self.task.size, config.channel_multiplier, stddev_group=None, narrow=config.narrow
        )
        perceptual = build_term(config.training.perceptual, upstream, "l1")
        return GCFSRRecipe(self.network(), discriminator, perceptual, self._reads())

    def adapt(self, network: nn.Module) -> nn.Module:
        from methods.recipes.gcfsr import GCFSRRestorer

        strength = self._strength() if self.config.strength is None else self.config.strength
        return GCFSRRestorer(cast("GCFSR", network), strength, self.task.scale)
