"""What can be set of VQFR's two trainings. Defaults are the released option files, where the code heeds them."""

from __future__ import annotations

from typing import Literal, TypeAlias

from ugpnet.settings import Config, LazyR1, Optim, Perceptual, Schedule

Anchor: TypeAlias = Literal["l1", "perceptual", "style"]

HALVINGS = Schedule(kind="multistep", milestones=(500_000, 650_000), gamma=0.5)
SCRATCH = Optim(lr=1e-4, betas=(0.9, 0.96), schedule=HALVINGS)
ENCODER = Optim(lr=1e-4, betas=(0.9, 0.96))
FINE = Optim(lr=1e-5, betas=(0.5, 0.9))
BRANCH = Optim(lr=2e-5, betas=(0.5, 0.9))


class VQFRPerceptual(Perceptual):
    """LPIPS at the images' own size, as published, or a distance of `random` features, which has no style term."""

    features: Literal["vgg16", "random"] = "vgg16"
    lpips_size: int | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        """Released weights that it compares with."""
        return ("vgg16", "lpips_vgg16") if self.features == "vgg16" else ()


class Reestimation(Config):
    """How version 1 keeps its dictionary in use (after arXiv 2005.08520).

    For `warmup` steps z passes unquantised, without a codebook loss. After every `every` steps up to `until`, the
    entries become k-means centres of a sample of at most `reservoir` vectors seen since the last time.
    """

    warmup: int = 10_000
    every: int = 2_000
    until: int = 30_000
    reservoir: int = 16_384


class JudgeWidths(Config):
    """Widths of the global discriminator, as in StyleGAN2."""

    channel_multiplier: float = 2
    narrow: float = 1


class CodebookTraining(LazyR1):
    """The released `train_vqgan_*_B16_800K.yml`. Both players of the GAN begin after `gan_start` steps."""

    l1_weight: float = 1
    perceptual_weight: float = 1
    perceptual: VQFRPerceptual = VQFRPerceptual()
    codebook_weight: float = 1
    gan_weight: float = 1
    gan_start: int = 50_000
    judge: JudgeWidths = JudgeWidths()
    optim: Optim = SCRATCH
    d_optim: Optim = SCRATCH
    reestimation: Reestimation | None = None


class TextureLosses(Config):
    """What one of the two images is trained with, by default version 1's texture branch. 0 switches a term off.

    `gan_weight` is the global discriminator's. The local one's is multiplied by `adaptive_weight` towards the
    `anchors`; `local_d_weight` is that of its own objective. Both GANs begin after `gan_start` steps.
    """

    l1_weight: float = 1
    perceptual_weight: float = 1
    style_weight: float = 2000
    gan_weight: float = 0.5
    local_gan_weight: float = 0.5
    local_d_weight: float = 0.5
    gan_start: int = 0
    anchors: tuple[Anchor, ...] = ("l1", "perceptual", "style")


class MainLosses(TextureLosses):
    """Version 1's main branch."""

    l1_weight: float = 0
    gan_start: int = 5_000


class MainLossesV2(TextureLosses):
    """Version 2's main branch. The option file's 0.5 for the global GAN is never applied by the released code."""

    style_weight: float = 0
    gan_weight: float = 1
    local_d_weight: float = 1
    gan_start: int = 5_000
    anchors: tuple[Anchor, ...] = ("perceptual",)


class LocalJudgeWidths(JudgeWidths):
    """Widths of a branch's global discriminator; layers and first width of its patch discriminator."""

    local_layers: int = 3
    local_width: int = 64


class LocalJudgeWidthsV2(LocalJudgeWidths):
    local_layers: int = 4


class RestorationTrainingV1(LazyR1):
    """The released `train_vqfr_v1_B16_200K.yml`. `latent_weight`: MSE of z and the ground truth's entries."""

    texture: TextureLosses = TextureLosses()
    main: MainLosses = MainLosses()
    latent_weight: float = 1
    perceptual: VQFRPerceptual = VQFRPerceptual()
    judge: LocalJudgeWidths = LocalJudgeWidths()
    optim: Optim = FINE
    d_optim: Optim = FINE


class RestorationTrainingV2(LazyR1):
    """The released `train_vqfr_v2_B16_200K.yml`. `index_weight`: cross-entropy of the predicted entries.

    `encoder_optim` moves the encoder and the prediction, `optim` the main branch and the features that it reads.
    """

    main: MainLossesV2 = MainLossesV2()
    latent_weight: float = 1
    index_weight: float = 1
    perceptual: VQFRPerceptual = VQFRPerceptual()
    judge: LocalJudgeWidthsV2 = LocalJudgeWidthsV2()
    encoder_optim: Optim = ENCODER
    optim: Optim = BRANCH
    d_optim: Optim = BRANCH
