"""GCFSR (He et al., CVPR 2022): face super-resolution without a prior, as strong as a condition says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from methods.base import Facts, Method, Stage, Upstream
from methods.losses.perceptual import PerceptualTerm, build_term
from methods.networks.gcfsr import GCFSR, START_SIZE, GCFSRBlind
from methods.networks.images import enlarge, reduce, signed, unfit_size, unsigned
from methods.recipes.adversarial import EMA, lazy_adam
from ugpnet.losses.adversarial import logistic_g_loss
from ugpnet.losses.discrimination import LazyR1, logistic_terms
from ugpnet.losses.pixel import l1_loss
from ugpnet.nn.discriminator import StyleGAN2Discriminator
from ugpnet.nn.stylegan2 import draw_normal
from ugpnet.recipe import Batch, Budget, Config, Optim, Player, Recipe, Shared, Term

NOISE_SEED = 0


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
        return unfit_size(self.task.size, START_SIZE)

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
        config = self.config
        made = GCFSR if config.variant == "controllable" else GCFSRBlind
        return made(self.task.size, config.num_style_feat, config.channel_multiplier, narrow=config.narrow)

    def _recipe(self, upstream: Upstream) -> GCFSRRecipe:
        config = self.config
        discriminator = StyleGAN2Discriminator(
            self.task.size, config.channel_multiplier, stddev_group=None, narrow=config.narrow
        )
        perceptual = build_term(config.training.perceptual, upstream, "l1")
        return GCFSRRecipe(self.network(), discriminator, perceptual, self._reads())

    def adapt(self, network: nn.Module) -> nn.Module:
        strength = self._strength() if self.config.strength is None else self.config.strength
        return GCFSRRestorer(cast(GCFSR, network), strength, self.task.scale)
