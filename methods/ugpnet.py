"""UGPNet (Lee et al., WACV 2024): a regression network, a generative prior, and the fusion of both."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from methods.base import Facts, Peer, PriorMethod, Stage, Upstream, backbones
from ugpnet.checkpoints import load_strict, unwrap
from ugpnet.config import UGPNetConfig
from ugpnet.settings import (
    Budget,
    Config,
    Contextual,
    FusionTraining,
    Perceptual,
    RestorationTraining,
    SynthesisTraining,
)

if TYPE_CHECKING:
    import torch
    from torch import nn

    from ugpnet.model import UGPNet
    from ugpnet.recipe import Weights
    from ugpnet.regression import RegressionRecipe
    from ugpnet.stages import FusionRecipe, SynthesisRecipe


class RestorationStage(RestorationTraining):
    budget: Budget = Budget(iterations=20_000, batch_size=8)


class SynthesisStage(SynthesisTraining):
    budget: Budget = Budget(iterations=40_000, batch_size=8)


class FusionStage(FusionTraining):
    budget: Budget = Budget(iterations=40_000, batch_size=8)


class Architecture(Config):
    """The fields of `ugpnet.config.UGPNetConfig` that are not the peers' own."""

    structure_encoder: bool = True
    fuse: Literal["features", "images"] = "features"
    spatial_size: int = 16
    narrow: float = 1
    channels: int = 64
    fusion_blocks: int = 8


class UGPNetMethodConfig(Architecture):
    """`regressor` and `prior` name rows or components; each stage has its losses, optimisers and budget."""

    regressor: Peer = "nafnet"
    prior: Peer = "stylegan2"
    restoration: RestorationStage = RestorationStage()
    synthesis: SynthesisStage = SynthesisStage()
    fusion: FusionStage = FusionStage()


class RestorationReads(Config):
    """What the restoration stage may read."""

    channels: int
    training: RestorationTraining


class SynthesisReads(Config):
    """What the synthesis stage may read; `channels` only shapes the restoration module that it is given."""

    spatial_size: int
    narrow: float
    training: SynthesisTraining


class FusionReads(Config):
    """What the fusion stage may read."""

    fuse: Literal["features", "images"]
    channels: int
    fusion_blocks: int
    training: FusionTraining


class UGPNetMethod(PriorMethod):
    version: ClassVar[int] = 1
    parts: ClassVar[tuple[str, ...]] = ("x_reg", "x_syn")
    Config = UGPNetMethodConfig
    config: UGPNetMethodConfig
    facts: ClassVar[Facts] = Facts(
        title="UGPNet: Universal Generative Prior for Image Restoration", family="hybrid", venue="WACV 2024",
        arxiv="2401.00370", code="https://github.com/hwayoon2/UGPNet", licence="none stated (released code); this code: MIT",
        bibtex="""@inproceedings{lee2024ugpnet,
  title = {{UGPNet}: Universal Generative Prior for Image Restoration},
  author = {Lee, Hwayoon and Kang, Kyoungkook and Lee, Hyeongmin and Baek, Seung-Hwan and Cho, Sunghyun},
  booktitle = {WACV}, year = {2024}
}""",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        return super().unsupported() or self.peers["regressor"].unsupported()

    def stages(self) -> tuple[Stage, ...]:
        config = self.config
        own = () if self._restored_by() == "regressor" else (self._restoration_stage(),)
        synthesis = Stage(
            "synthesis",
            SynthesisReads(
                spatial_size=config.spatial_size, narrow=config.narrow,
                training=config.synthesis.only(SynthesisTraining),
            ),
            config.synthesis.budget, self._synthesis_recipe,
            needs=(self._restored_by(), "prior", *_backbones(config.synthesis.perceptual)),
        )  # fmt: skip
        fusion = Stage(
            "fusion",
            FusionReads(
                fuse=config.fuse, channels=config.channels, fusion_blocks=config.fusion_blocks,
                training=config.fusion.only(FusionTraining),
            ),
            config.fusion.budget, self._fusion_recipe,
            needs=(self._restored_by(), "synthesis", "prior", *_backbones(config.fusion.perceptual, config.fusion.contextual)),
        )  # fmt: skip
        return (*own, synthesis, fusion)

    def _restoration_stage(self) -> Stage:
        config = self.config
        reads = RestorationReads(channels=config.channels, training=config.restoration.only(RestorationTraining))
        return Stage("restoration", reads, config.restoration.budget, self._restoration_recipe, needs=("regressor",))

    def needs(self) -> tuple[str, ...]:
        return (self._restored_by(), "synthesis", "fusion")

    def _restored_by(self) -> str:
        """Where the restoration module's weights come from: a stage of its own, or the regressor as it is."""
        return "restoration" if self.config.structure_encoder and self._is_residual else "regressor"

    @cached_property
    def _is_residual(self) -> bool:
        """What the regressor's method says; else, once, what its network says when it is built."""
        said = self.peers["regressor"].residual
        return bool(self._regressor().residual) if said is None else said

    def _regressor(self) -> Any:
        from ugpnet.nn.regressor import Regressor
        from ugpnet.nn.tap import Tap

        network = self.peers["regressor"].network()
        if isinstance(network, Regressor):
            return network
        return Tap(network, self._example())

    def _example(self) -> torch.Tensor:
        """A degraded image of the task's size, to find the regressor's image head with."""
        import torch

        side = self.task.size // self.task.scale
        return torch.zeros(1, 3, side, side)

    def network(self) -> UGPNet:
        from ugpnet.model import UGPNet

        generator = self.prior.network()
        fields = self.config.model_dump(include=set(Architecture.model_fields))
        return UGPNet(UGPNetConfig(**fields), self._regressor(), generator)

    def adopt(self, stage: str, checkpoint: Mapping[str, Any]) -> Weights:
        """One of the three released files: `resmodule_*.pth`, `synmodule_*.pth`, `fusmodule_*.pth`."""
        from ugpnet.pretrained import join_parts

        model = self.network()
        modules = {"restoration": _untapped(model.restoration), "synthesis": model.synthesis, "fusion": model.fusion}
        if stage == "synthesis":
            state = join_parts(checkpoint, "UGPNet synthesis")
        else:
            state = unwrap(checkpoint, modules[stage].state_dict())
        load_strict(modules[stage], state, f"UGPNet {stage}")
        return {"network" if stage == "restoration" else stage: state}

    def restorer(self, weights: Upstream) -> nn.Module:
        model = self.network()
        self._load_restoration(model, weights)
        load_strict(model.synthesis, weights["synthesis"]["synthesis"], "UGPNet synthesis")
        load_strict(model.fusion, weights["fusion"]["fusion"], "UGPNet fusion")
        return model.eval()

    def _load_restoration(self, model: UGPNet, weights: Upstream) -> None:
        source = self._restored_by()
        load_strict(_untapped(model.restoration), weights[source]["network"], f"UGPNet {source}")

    def _restoration_recipe(self, upstream: Upstream) -> RegressionRecipe:
        from ugpnet.regression import RegressionRecipe
        from ugpnet.warm_start import start_restoration

        model = self.network()
        regression: Any = model.restoration.regression
        load_strict(_untapped(regression), upstream["regressor"]["network"], "UGPNet regressor")
        if self.config.restoration.init == "regressor":
            start_restoration(model.restoration, self._example())
        return RegressionRecipe(model.restoration, self.config.restoration)

    def _synthesis_recipe(self, upstream: Upstream) -> SynthesisRecipe:
        from ugpnet.losses.selection import build_perceptual
        from ugpnet.stages import SynthesisRecipe

        model, training = self.network(), self.config.synthesis
        self._load_restoration(model, upstream)
        load_strict(model.synthesis.generator, upstream["prior"]["generator"], "UGPNet prior")
        discriminator = self._discriminator(upstream)
        perceptual = build_perceptual(training.perceptual, backbones(upstream), discriminator, self.prior.value_range)
        return SynthesisRecipe(model.restoration, model.synthesis, discriminator, perceptual, training)

    def _fusion_recipe(self, upstream: Upstream) -> FusionRecipe:
        from ugpnet.losses.selection import build_contextual, build_perceptual
        from ugpnet.stages import FusionRecipe

        model, training = self.network(), self.config.fusion
        self._load_restoration(model, upstream)
        load_strict(model.synthesis, upstream["synthesis"]["synthesis"], "UGPNet synthesis")
        states, judge, values = backbones(upstream), self._discriminator(upstream), self.prior.value_range
        perceptual = build_perceptual(training.perceptual, states, judge, values)
        return FusionRecipe(model, perceptual, build_contextual(training.contextual, states, judge, values), training)

    def _discriminator(self, upstream: Upstream) -> nn.Module:
        """The prior's own discriminator, or a fresh one where its file brought none."""
        discriminator = self.prior.discriminator()
        if state := upstream["prior"].get("discriminator"):
            load_strict(discriminator, state, "UGPNet discriminator")
        return discriminator


def _untapped(module: nn.Module) -> nn.Module:
    """The network inside a `Tap`, whose weights are kept under its own names."""
    from ugpnet.nn.tap import Tap

    return module.network if isinstance(module, Tap) else module


def _backbones(*losses: Perceptual | Contextual) -> tuple[str, ...]:
    """The released weights that the losses compare with."""
    wanted = {"vgg16": ("vgg16", "lpips_vgg16"), "vgg19": ("vgg19",)}
    return tuple(dict.fromkeys(name for loss in losses for name in wanted.get(loss.features, ())))
