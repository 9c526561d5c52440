"""GFP-GAN (Wang et al., CVPR 2021): a U-Net that steers a frozen StyleGAN2 by latents and spatial features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from methods.base import Facts, Peer, PriorMethod, Stage, Upstream
from methods.losses.backbones import FACE_BOXES, GREY_ARCFACE
from methods.recipes.adversarial import EMA, lazy_adam
from ugpnet.checkpoints import load_strict, unwrap
from ugpnet.settings import Budget, Config, LazyR1, Optim, Schedule

if TYPE_CHECKING:
    from torch import nn

    from methods.losses.components import FaceBoxes
    from methods.networks.gfpgan import GFPGAN as Network
    from methods.recipes.gfpgan import GFPGANRecipe
    from ugpnet.recipe import Weights

VGG_LAYERS = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}


HALVINGS = Schedule(kind="multistep", milestones=(600_000, 700_000), gamma=0.5)


class Training(LazyR1):
    """The released recipe, images in [-1, 1], with two parts off: `identity_weight` is published as 10, `components` is on.

    `pyramid_until` is the step from which the U-Net's own images are no longer supervised. `perceptual` on anything but
    `vgg19` has no style term. `fix_decoder`: the StyleGAN2 inside keeps the prior's weights. `components` says where
    eyes and mouth are, each of which has a discriminator of its own: `face_boxes` reads a file, and `aligned` takes the
    same place in every image, that of an average face of FFHQ.
    """

    pixel_weight: float = 0.1
    pyramid_weight: float = 1
    pyramid_until: int = 50_000
    perceptual: Literal["vgg19", "prior_discriminator", "off"] = "vgg19"
    perceptual_weight: float = 1
    style_weight: float = 50
    gan_weight: float = 0.1
    components: Literal["off", "aligned", "face_boxes"] = "off"
    component_gan_weight: float = 1
    component_style_weight: float = 200
    identity_weight: float = 0
    fix_decoder: bool = True
    g_optim: Optim = Optim(lr=2e-3, betas=(0.0, 0.99), schedule=HALVINGS)
    d_optim: Optim = lazy_adam(2e-3, every=16, schedule=HALVINGS)
    component_optim: Optim = Optim(lr=2e-3, betas=(0.9, 0.99), schedule=HALVINGS)
    average: float = EMA


class GFPGANConfig(Config):
    """The decoder has the widths of `prior`; `narrow` and `channel_multiplier` are read from it.

    `variant`: the layers of the released v1.2 to v1.4, or those of the paper's v1, which restores colours too.
    """

    prior: Peer = "stylegan2"
    variant: Literal["clean", "paper"] = "clean"
    different_w: bool = True
    sft_half: bool = True
    training: Training = Training()
    budget: Budget = Budget(iterations=800_000, batch_size=12, flips=("horizontal",))


class StageConfig(Config):
    """What the one stage reads beside the prior."""

    variant: Literal["clean", "paper"] = "clean"
    different_w: bool
    sft_half: bool
    training: Training


class GFPGAN(PriorMethod):
    version: ClassVar[int] = 1
    Config = GFPGANConfig
    config: GFPGANConfig
    facts: ClassVar[Facts] = Facts(
        title="Towards Real-World Blind Face Restoration with Generative Facial Prior", family="generative",
        venue="CVPR 2021", arxiv="2101.04061", code="https://github.com/TencentARC/GFPGAN", licence="Apache-2.0",
        bibtex="""@inproceedings{wang2021gfpgan,
  title = {Towards Real-World Blind Face Restoration with Generative Facial Prior},
  author = {Wang, Xintao and Li, Yu and Zhang, Honglun and Shan, Ying},
  booktitle = {CVPR}, year = {2021}
}""",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        budget = self.config.budget
        if self.config.training.components != "off" and (budget.patch or set(budget.flips) - {"horizontal"}):
            return "training.components: they are found in whole upright faces; set no budget.patch, flip horizontally"
        return super().unsupported()

    def notes(self) -> tuple[str, ...]:
        training, off = self.config.training, []
        if training.components == "off":
            off.append("facial component discriminators (need face boxes)")
        if not training.identity_weight:
            off.append("identity loss (needs ArcFace)")
        if training.perceptual != "vgg19":
            instead = (
                "" if training.perceptual == "off" else f", in its place a distance of {training.perceptual} features"
            )
            off.append(f"VGG19 perceptual and style losses{instead}")
        without = (f"trained without: {'; '.join(off)}",) if off else ()
        aligned = training.components == "aligned"
        return (*without, *(("eyes and mouth looked for where an average FFHQ face has them",) if aligned else ()))

    def stages(self) -> tuple[Stage, ...]:
        reads = StageConfig(**self.config.model_dump(include=set(StageConfig.model_fields)))
        return (Stage("restoration", reads, self.config.budget, self._recipe, needs=("prior", *self._backbones())),)

    def _backbones(self) -> tuple[str, ...]:
        training = self.config.training
        wanted = {
            "vgg19": training.perceptual == "vgg19",
            GREY_ARCFACE: training.identity_weight,
            FACE_BOXES: training.components == "face_boxes",
        }
        return tuple(name for name, is_wanted in wanted.items() if is_wanted)

    def network(self) -> Network:
        from methods.networks.gfpgan import GFPGANv1, GFPGANv1Clean

        prior = self.prior.network()
        made = GFPGANv1Clean if self.config.variant == "clean" else GFPGANv1
        return made(
            prior.out_size, prior.num_style_feat, prior.channel_multiplier, num_mlp=len(prior.style_mlp) - 1,
            input_is_latent=True, different_w=self.config.different_w, narrow=prior.narrow, sft_half=self.config.sft_half,
        )  # fmt: skip

    def adopt(self, stage: str, checkpoint: Mapping[str, Any]) -> Weights:
        network = self.network()
        state = unwrap(checkpoint, network.state_dict())
        load_strict(network, state, "GFP-GAN")
        return {"generator": state}

    def restorer(self, weights: Upstream) -> nn.Module:
        network = self.network()
        load_strict(network, weights["restoration"]["generator"], "GFP-GAN")
        return self.adapt(network).eval()

    def adapt(self, network: nn.Module) -> nn.Module:
        from methods.networks.gfpgan import GFPGANRestorer

        return GFPGANRestorer(cast("Network", network))

    def _recipe(self, upstream: Upstream) -> GFPGANRecipe:
        from methods.losses.identity import GreyIdentityLoss
        from methods.networks.clean_weights import clean_state
        from methods.recipes.gfpgan import GFPGANRecipe

        network, discriminator = self.network(), self.prior.discriminator()
        prior = upstream["prior"]["generator"]
        decoder = clean_state(prior) if self.config.variant == "clean" else prior
        load_strict(network.stylegan_decoder, decoder, "GFP-GAN prior")
        training = self.config.training
        identity = GreyIdentityLoss(upstream[GREY_ARCFACE][""]) if training.identity_weight else None
        return GFPGANRecipe(
            network, discriminator, training, self._perceptual(upstream), identity, self._boxes(upstream)
        )

    def _boxes(self, upstream: Upstream) -> FaceBoxes | None:
        from methods.losses.components import FaceBoxes

        choice = self.config.training.components
        if choice == "off":
            return None
        return FaceBoxes(upstream[FACE_BOXES][""] if choice == "face_boxes" else None)

    def _perceptual(self, upstream: Upstream) -> nn.Module | None:
        from ugpnet.features import DiscriminatorFeatures
        from ugpnet.losses.perceptual import FeatureDistance, VGGPerceptualLoss

        choice = self.config.training.perceptual
        if choice == "vgg19":
            return VGGPerceptualLoss("vgg19", VGG_LAYERS, upstream["vgg19"][""], style=True, range_norm=True)
        if choice == "off":
            return None
        judge = self.prior.discriminator()
        load_strict(judge, upstream["prior"].get("discriminator", {}), "GFP-GAN prior's discriminator")
        return FeatureDistance(DiscriminatorFeatures(judge, value_range=self.prior.value_range))
