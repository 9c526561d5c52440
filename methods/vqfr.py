"""VQFR (Gu et al., ECCV 2022): a dictionary of facial textures, and a second decoder that keeps to the input."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from methods.base import Facts, Method, Stage, Upstream, backbones, unfit_size
from methods.recipes.vqfr_config import (
    CodebookTraining,
    JudgeWidths,
    Reestimation,
    RestorationTrainingV1,
    RestorationTrainingV2,
)
from ugpnet.checkpoints import load_strict, unwrap
from ugpnet.settings import Budget, Config

if TYPE_CHECKING:
    from torch import nn

    from methods.networks.vqfr import VQFR, VQGAN
    from methods.networks.vqfr_v1 import VQFRv1
    from methods.networks.vqfr_v2 import VQFRv2
    from methods.recipes.vqfr_codebook import CodebookRecipe
    from methods.recipes.vqfr_restoration import RestorationRecipe
    from ugpnet.recipe import Weights

CODEBOOK_BUDGET = Budget(iterations=800_000, batch_size=16, flips=("horizontal",))
RESTORATION_BUDGET = Budget(iterations=200_000, batch_size=16, flips=("horizontal",))


class AutoencoderV1(Config):
    """The VQGAN's widths, fine to coarse; a level is smaller than the one before by its rate."""

    base_channels: int = 128
    channel_multipliers: tuple[int, ...] = (1, 1, 2, 2, 2, 4)
    resolution_scale_rates: tuple[int, ...] = (1, 2, 2, 2, 2, 2)
    encoder_num_blocks: int = 2
    decoder_num_blocks: int = 3
    num_code: int = 1024
    code_dim: int = 256


class AutoencoderV2(Config):
    """The VQGAN's widths, fine to coarse; every level has half the size of the one before."""

    base_channels: int = 64
    channel_multipliers: tuple[int, ...] = (1, 2, 2, 4, 4, 8)
    num_enc_blocks: int = 2
    use_enc_attention: bool = True
    num_dec_blocks: int = 2
    use_dec_attention: bool = True
    num_code: int = 1024
    code_dim: int = 256


class CodebookV1(CodebookTraining):
    reestimation: Reestimation | None = Reestimation()
    budget: Budget = CODEBOOK_BUDGET


class CodebookV2(CodebookTraining):
    budget: Budget = CODEBOOK_BUDGET


class RestorationV1(RestorationTrainingV1):
    budget: Budget = RESTORATION_BUDGET


class RestorationV2(RestorationTrainingV2):
    budget: Budget = RESTORATION_BUDGET


class V1(AutoencoderV1):
    """`inpfeat_dim` features of the input steer the warping, in `deformable_groups`."""

    inpfeat_dim: int = 32
    deformable_groups: int = 4
    codebook: CodebookV1 = CodebookV1()
    restoration: RestorationV1 = RestorationV1()


class V2(AutoencoderV2):
    """`inpfeat_dim` features of the input steer the warping, in `deformable_groups`."""

    inpfeat_dim: int = 32
    deformable_groups: int = 4
    codebook: CodebookV2 = CodebookV2()
    restoration: RestorationV2 = RestorationV2()


class VQFRConfig(Config):
    """`version` decides which of `v1` and `v2` is read; the defaults of both are the released 512 px models.

    `fidelity_ratio` is version 2's at test time: 1 as trained, 0 trusts the dictionary alone (the released demo).
    """

    version: Literal["v1", "v2"] = "v1"
    v1: V1 = V1()
    v2: V2 = V2()
    fidelity_ratio: float = 1.0


class StageConfig(Config):
    """What a stage reads."""

    version: Literal["v1", "v2"]
    size: int
    architecture: dict[str, Any]
    training: dict[str, Any]


class VQFRMethod(Method):
    version: ClassVar[int] = 1
    any_size: ClassVar[bool] = True
    Config = VQFRConfig
    config: VQFRConfig
    facts: ClassVar[Facts] = Facts(
        title="VQFR: Blind Face Restoration with Vector-Quantized Dictionary and Parallel Decoder", family="generative",
        venue="ECCV 2022", arxiv="2205.06803", code="https://github.com/TencentARC/VQFR", licence="Apache-2.0",
        bibtex="""@inproceedings{gu2022vqfr,
  title = {{VQFR}: Blind Face Restoration with Vector-Quantized Dictionary and Parallel Decoder},
  author = {Gu, Yuchao and Wang, Xintao and Xie, Liangbin and Dong, Chao and Li, Gen and Shan, Ying and
            Cheng, Ming-Ming},
  booktitle = {ECCV}, year = {2022}
}""",
    )  # fmt: skip

    @property
    def _own(self) -> V1 | V2:
        return self.config.v1 if self.config.version == "v1" else self.config.v2

    def unsupported(self) -> str | None:
        own = self._own
        levels = len(own.channel_multipliers)
        multiple = math.prod(own.resolution_scale_rates) if isinstance(own, V1) else 1 << (levels - 1)
        sizes = (self._size(own.codebook.budget), self._size(own.restoration.budget))
        return next((reason for size in sizes if (reason := unfit_size(size, max(multiple, 8)))), None)

    def notes(self) -> tuple[str, ...]:
        own = self._own
        chosen = {"codebook": own.codebook.perceptual, "restoration": own.restoration.perceptual}
        notes = [f"{stage} trained with {p.label} in place of LPIPS" for stage, p in chosen.items() if not p.needs]
        if isinstance(own, V1) and not own.restoration.perceptual.needs:
            notes.append("no style loss (it compares VGG16 features)")
        if isinstance(own, V2):
            notes.append("global discriminator's gradients cleared at every step, unlike in the released code")
        return tuple(notes)

    def stages(self) -> tuple[Stage, ...]:
        codebook, restoration = self._own.codebook, self._own.restoration
        return (
            Stage("codebook", self._codebook_reads(), codebook.budget, self._codebook_recipe,
                  needs=codebook.perceptual.needs, data="images"),
            Stage("restoration", self._restoration_reads(), restoration.budget, self._restoration_recipe,
                  needs=("codebook", *restoration.perceptual.needs)),
        )  # fmt: skip

    def _codebook_reads(self) -> StageConfig:
        own = self._own
        architecture = own.model_dump(mode="json", include=_vqgan_fields(own))
        return StageConfig(
            version=self.config.version, size=self._size(own.codebook.budget), architecture=architecture,
            training=own.codebook.model_dump(mode="json", exclude={"budget"}),
        )  # fmt: skip

    def _restoration_reads(self) -> StageConfig:
        own = self._own
        architecture = own.model_dump(mode="json", exclude={"codebook", "restoration"})
        return StageConfig(
            version=self.config.version, size=self._size(own.restoration.budget), architecture=architecture,
            training=own.restoration.model_dump(mode="json", exclude={"budget"}),
        )  # fmt: skip

    def _size(self, budget: Budget) -> int:
        """The side of the images that a stage's discriminators see."""
        return budget.patch or self.task.size

    def network(self) -> VQFR:
        from methods.networks.vqfr_v1 import VQFRv1
        from methods.networks.vqfr_v2 import VQFRv2

        own = self._own
        fields = own.model_dump(exclude={"codebook", "restoration"})
        return VQFRv1(**fields) if isinstance(own, V1) else VQFRv2(**fields)

    def autoencoder(self) -> VQGAN:
        """The first stage's network, freshly initialised."""
        from methods.networks.vqgan_v1 import VQGANv1
        from methods.networks.vqgan_v2 import VQGANv2

        own = self._own
        fields = own.model_dump(include=_vqgan_fields(own))
        return VQGANv1(**fields) if isinstance(own, V1) else VQGANv2(**fields)

    def adopt(self, stage: str, checkpoint: Mapping[str, Any]) -> Weights:
        network = self.autoencoder() if stage == "codebook" else self.network()
        state = unwrap(checkpoint, network.state_dict())
        load_strict(network, state, f"VQFR {stage}")
        return {"network": state} if stage == "codebook" else _in_parts(network)

    def restorer(self, weights: Upstream) -> nn.Module:
        network = self.network()
        for name, part in network.named_children():
            load_strict(part, weights["restoration"][name], f"VQFR {name}")
        return self.adapt(network).eval()

    def adapt(self, network: nn.Module) -> nn.Module:
        from methods.networks.vqfr import VQFRRestorer

        return VQFRRestorer(cast("VQFR", network), self.task.scale, self.config.fidelity_ratio)

    def _codebook_recipe(self, upstream: Upstream) -> CodebookRecipe:
        from methods.recipes.vqfr_codebook import CodebookRecipe
        from methods.recipes.vqfr_terms import Likeness

        config = self._own.codebook
        judge = self._judge(config.judge, config.budget)
        return CodebookRecipe(self.autoencoder(), judge, Likeness(config.perceptual, backbones(upstream)), config)

    def _restoration_recipe(self, upstream: Upstream) -> RestorationRecipe:
        from methods.recipes.vqfr_restoration import RestorationRecipeV1, RestorationRecipeV2
        from methods.recipes.vqfr_terms import Likeness

        network, teacher, own = self.network(), self.autoencoder(), self._own
        codebook = upstream["codebook"]["network"]
        load_strict(teacher, codebook, "VQFR codebook")
        load_strict(network, {**network.state_dict(), **codebook}, "VQFR codebook")
        likeness = Likeness(own.restoration.perceptual, backbones(upstream))
        if isinstance(own, V1):
            judges = self._judges(own.restoration, "texture") | self._judges(own.restoration, "main")
            v1 = cast("VQFRv1", network)
            return RestorationRecipeV1(v1, self.task.scale, teacher, judges, likeness, own.restoration)
        judges = self._judges(own.restoration, "main")
        v2 = cast("VQFRv2", network)
        return RestorationRecipeV2(v2, self.task.scale, teacher, judges, likeness, own.restoration)

    def _judges(self, config: RestorationV1 | RestorationV2, branch: str) -> dict[str, nn.Module]:
        from methods.networks.vqfr_discriminators import PatchDiscriminator

        local = PatchDiscriminator(ndf=config.judge.local_width, n_layers=config.judge.local_layers)
        return {f"{branch}_global": self._judge(config.judge, config.budget), f"{branch}_local": local}

    def _judge(self, widths: JudgeWidths, budget: Budget) -> nn.Module:
        from methods.networks.vqfr_discriminators import SWADiscriminator
        from ugpnet.nn.discriminator import StyleGAN2Discriminator

        size, multiplier = self._size(budget), widths.channel_multiplier
        if self.config.version == "v1":
            return SWADiscriminator(size, multiplier, narrow=widths.narrow)
        return StyleGAN2Discriminator(size, multiplier, narrow=widths.narrow, layers="spectral")


def _vqgan_fields(own: V1 | V2) -> set[str]:
    """What the first stage's network is built from."""
    return set((AutoencoderV1 if isinstance(own, V1) else AutoencoderV2).model_fields)


def _in_parts(network: nn.Module) -> Weights:
    """The layout of the restoration stage: a state dict for each part that its recipe trains on its own."""
    return {name: part.state_dict() for name, part in network.named_children()}
