"""What can be set of trainings: plain data, checked where it is made. Light: a plan is made of it without torch."""

from __future__ import annotations

from typing import Literal, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict

Flip: TypeAlias = Literal["horizontal", "vertical", "transpose"]
Augmentation: TypeAlias = Literal["color", "translation", "cutout"]
"""Of DiffAugment, see `ugpnet.diffaugment`."""
PixelLoss: TypeAlias = Literal["psnr", "l1", "mse", "charbonnier"]


Base = TypeVar("Base", bound="Config")


class Config(BaseModel):
    """Base of every configuration: frozen, unknown fields are errors, and so are numbers that are not finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def only(self, base: type[Base]) -> Base:
        """The fields of one of this config's base classes, as that class."""
        return base(**{name: getattr(self, name) for name in base.model_fields})


class Schedule(Config):
    """Learning-rate factor as a pure function of the step, multiplied with the base rate.

    `multistep`: times `gamma` at each milestone. `cosine`: from 1 to `floor` over `total` steps (the whole run if None).
    `cosine_restarts`: the same, again every `total` steps. All after `warmup` steps of linear increase.
    """

    kind: Literal["constant", "multistep", "cosine", "cosine_restarts"] = "constant"
    milestones: tuple[int, ...] = ()
    gamma: float = 0.1
    total: int | None = None
    floor: float = 0.0
    warmup: int = 0


class Optim(Config):
    """An optimiser and its schedule; torch defaults where the field's recipes use them."""

    name: Literal["adam", "adamw"] = "adam"
    lr: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    weight_decay: float = 0.0
    schedule: Schedule = Schedule()


class Budget(Config):
    """How long and on what a recipe trains; all of it changes the result.

    `patch` is the side of the random ground-truth crop in pixels (None: whole images); each of `flips` is made with
    probability 1/2. `validate_every` steps, the validation PSNR is taken; `best_psnr` keeps the weights where it was highest.
    """

    iterations: int
    batch_size: int = 8
    patch: int | None = None
    flips: tuple[Flip, ...] = ()
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    validate_every: int | None = None
    select: Literal["last", "best_psnr"] = "last"


class LazyR1(Config):
    """R1 on every `r1_every`-th step, multiplied by that number; with a weight of 0 on none."""

    r1_weight: float = 10
    r1_every: int = 16


class Perceptual(Config):
    """What the perceptual loss compares. Only `vgg16` is LPIPS; every other choice is a `FeatureDistance`.

    `vgg16` first resizes to squares of `lpips_size` (None: images as they are); `random` draws its weights
    from `seed`.
    """

    features: Literal["vgg16", "vgg19", "prior_discriminator", "random"] = "vgg16"
    lpips_size: int | None = 256
    seed: int = 0

    @property
    def label(self) -> str:
        """The name under which the loss is logged: `lpips`, or `feature_distance(<features>)`."""
        return "lpips" if self.features == "vgg16" else f"feature_distance({self.features})"


class Contextual(Config):
    """What the patch-wise contextual loss compares: tiles of `patch` pixels, `patch` / 4 positions a side."""

    features: Literal["vgg19", "prior_discriminator", "random"] = "vgg19"
    patch: int = 128
    band_width: float = 0.5
    seed: int = 0


class MixUp(Config):
    """From step `start` on, every pair is blended with another of its batch, by weights of Beta(c, c), c = `concentration`."""

    concentration: float = 1.2
    start: int = 0


class RegressionTraining(Config):
    """Pixel loss with its weight, optimiser, global gradient norm (None: not clipped), decay per step of the averaged
    network (None: no average), MixUp (None: pairs as they are)."""

    loss: PixelLoss = "psnr"
    weight: float = 1.0
    optim: Optim = Optim()
    clip_norm: float | None = None
    average: float | None = None
    mixup: MixUp | None = None


class RestorationTraining(RegressionTraining):
    """L_res: the regression network's own loss, PSNR in the released code; Adam 1e-4.

    `init` of R_se and R_mg: `random` as released, or `regressor`, which passes on what the regression network restored.
    """

    init: Literal["random", "regressor"] = "random"


class SynthesisTraining(LazyR1):
    """Eq. 2: L1 + lambda_per LPIPS + lambda_adv softplus(-D(x_syn)).

    `discriminator_range` is that of the images that the
    discriminator is fed: the released code gives it [0, 1], whatever its pre-training saw.
    """

    lambda_per: float = 10
    lambda_adv: float = 0.3
    perceptual: Perceptual = Perceptual()
    optim: Optim = Optim(lr=1e-4)
    d_optim: Optim = Optim(lr=2.5e-5)
    r1_every: int = 10
    augment: bool = True
    discriminator_range: tuple[float, float] = (0.0, 1.0)


class FusionTraining(Config):
    """Eq. 3: L1 + lambda_per LPIPS + lambda_cf patch-wise contextual loss towards x_syn.

    `init`: `random` as released, or `restoration`, the image head of R_mg, from which a short training gets further.
    """

    init: Literal["random", "restoration"] = "random"
    lambda_per: float = 10
    lambda_cf: float = 0.05
    perceptual: Perceptual = Perceptual()
    contextual: Contextual = Contextual()
    optim: Optim = Optim(lr=1e-3, schedule=Schedule(kind="multistep", milestones=(8_000,), gamma=0.1))
