"""GFP-GAN (Wang et al., CVPR 2021): a U-Net that steers a frozen StyleGAN2 by latents and spatial features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.base import Facts, Method, Peer, Prior, Stage, Upstream
from methods.networks.clean_weights import clean_state
from methods.networks.gfpgan import GFPGAN as Network
from methods.networks.gfpgan import GFPGANv1, GFPGANv1Clean
from methods.networks.images import enlarge, signed, unsigned
from ugpnet.checkpoints import load_strict, unwrap
from ugpnet.features import DiscriminatorFeatures
from ugpnet.losses.adversarial import logistic_d_loss, logistic_g_loss
from ugpnet.losses.perceptual import FeatureDistance, VGGPerceptualLoss
from ugpnet.losses.pixel import l1_loss
from ugpnet.losses.regularisers import r1_penalty
from ugpnet.recipe import Batch, Budget, Config, Optim, Player, Recipe, Schedule, Shared, Term, Weights

EMA = 0.5 ** (32 / 10_000)
HALVINGS = Schedule(kind="multistep", milestones=(600_000, 700_000), gamma=0.5)
VGG_LAYERS = {"conv1_2": 0.1, "conv2_2": 0.1, "conv3_4": 1.0, "conv4_4": 1.0, "conv5_4": 1.0}


class Training(Config):
    """The released recipe (`train_gfpgan_v1.yml`) without what needs face boxes or ArcFace.

    `pyramid_until` is the step from which the U-Net's own images are no longer supervised. `perceptual` on anything but
    `vgg19` has no style term. `fix_decoder`: the StyleGAN2 inside keeps the prior's weights.
    """

    pixel_weight: float = 0.1
    pyramid_weight: float = 1
    pyramid_until: int = 50_000
    perceptual: Literal["vgg19", "prior_discriminator", "off"] = "vgg19"
    perceptual_weight: float = 1
    style_weight: float = 50
    gan_weight: float = 0.1
    r1_weight: float = 10
    r1_every: int = 16
    fix_decoder: bool = True
    g_optim: Optim = Optim(lr=2e-3, betas=(0.0, 0.99), schedule=HALVINGS)
    d_optim: Optim = Optim(lr=2e-3, betas=(0.0, 0.99 ** (16 / 17)), schedule=HALVINGS)
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


class GFPGANRecipe(Recipe):
    """Generator first, then the discriminator on the detached output of the same forward pass. Images in [-1, 1].

    `perceptual` is VGG19's, on [-1, 1], or a distance of other features, on [0, 1]; None leaves it out.
    """

    def __init__(
        self, generator: Network, discriminator: nn.Module, perceptual: nn.Module | None, training: Training
    ) -> None:
        super().__init__(
            {"generator": generator, "discriminator": discriminator},
            (
                Player("generator", ("generator",), training.g_optim),
                Player("discriminator", ("discriminator",), training.d_optim),
            ),
            average={"generator": training.average},
        )  # fmt: skip
        generator.stylegan_decoder.requires_grad_(not training.fix_decoder)
        self.perceptual = perceptual
        self.config = training

    @property
    def _gfpgan(self) -> Network:
        return cast(Network, self.networks["generator"])

    def forward(self, batch: Batch, step: int) -> Shared:
        restored, pyramid = self._gfpgan.restore(_input(batch.lq, self._gfpgan))
        return {"restored": restored, "pyramid": pyramid}

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        gt = signed(batch.gt)
        if player == "discriminator":
            return self._discriminator(shared["restored"].detach(), gt, step)
        return self._generator(shared["restored"], shared["pyramid"], gt, step)

    def _generator(self, restored: Tensor, pyramid: list[Tensor], gt: Tensor, step: int) -> Mapping[str, Term]:
        config = self.config
        terms = {"l1": Term(config.pixel_weight, l1_loss(restored, gt))}
        if step < config.pyramid_until:
            terms["pyramid"] = Term(config.pyramid_weight, pyramid_loss(pyramid, gt))
        if isinstance(self.perceptual, VGGPerceptualLoss):
            values = self.perceptual(restored, gt)
            terms["perceptual"] = Term(config.perceptual_weight, values["perceptual"])
            terms["style"] = Term(config.style_weight, values["style"])
        elif self.perceptual is not None:
            distance = self.perceptual(unsigned(restored), unsigned(gt))
            terms[f"feature_distance({config.perceptual})"] = Term(config.perceptual_weight, distance)
        terms["adv"] = Term(config.gan_weight, logistic_g_loss(self.networks["discriminator"](restored)))
        return terms

    def _discriminator(self, fake: Tensor, real: Tensor, step: int) -> Mapping[str, Term]:
        config, judge = self.config, self.networks["discriminator"]
        terms = {"d": Term(1.0, logistic_d_loss(judge(real), judge(fake)))}
        if config.r1_weight and step % config.r1_every == 0:
            real = real.detach().requires_grad_()
            terms["r1"] = Term(config.r1_weight / 2 * config.r1_every, r1_penalty(judge(real), real))
        return terms

    def restore(self, lq: Tensor) -> Tensor:
        return restore(self._gfpgan, lq)


def pyramid_loss(pyramid: list[Tensor], gt: Tensor) -> Tensor:
    """Sum over the levels of the L1 distance to the ground truth, halved bilinearly level by level."""
    losses = []
    for image in reversed(pyramid):
        losses.append(l1_loss(image, gt))
        gt = F.interpolate(gt, scale_factor=0.5, mode="bilinear", align_corners=False)
    return torch.stack(losses).sum()


class Restorer(nn.Module):
    """lq and restored in [0, 1]; a smaller lq is enlarged first. The noise is that of the state dict."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, lq: Tensor) -> Tensor:
        return restore(self.network, lq)


def restore(network: Network, lq: Tensor) -> Tensor:
    """Restored images (B,3,S,S) of lq (B,3,S/scale,S/scale), both in [0, 1]."""
    return unsigned(network.restore(_input(lq, network), noise="stored")[0])


def _input(lq: Tensor, network: Network) -> Tensor:
    return signed(enlarge(lq, network.stylegan_decoder.out_size // lq.shape[-1]))


class GFPGAN(Method):
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
        return (
            None if isinstance(self.peers["prior"], Prior) else f"prior: {self.config.prior!r} is no generative prior"
        )

    def notes(self) -> tuple[str, ...]:
        training = self.config.training
        off = ["facial component discriminators (need face boxes)", "identity loss (needs ArcFace)"]
        if training.perceptual != "vgg19":
            instead = (
                "" if training.perceptual == "off" else f", in its place a distance of {training.perceptual} features"
            )
            off.append(f"VGG19 perceptual and style losses{instead}")
        return (f"trained without: {'; '.join(off)}",)

    def stages(self) -> tuple[Stage, ...]:
        reads = StageConfig(**self.config.model_dump(include=set(StageConfig.model_fields)))
        backbones = ("vgg19",) if self.config.training.perceptual == "vgg19" else ()
        return (Stage("restoration", reads, self.config.budget, self._recipe, needs=("prior", *backbones)),)

    def network(self) -> Network:
        prior = self._prior().network()
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
        return Restorer(cast(Network, network))

    def _recipe(self, upstream: Upstream) -> GFPGANRecipe:
        network, discriminator = self.network(), self._prior().discriminator()
        prior = upstream["prior"]["generator"]
        decoder = clean_state(prior) if self.config.variant == "clean" else prior
        load_strict(network.stylegan_decoder, decoder, "GFP-GAN prior")
        perceptual = self._perceptual(upstream)
        return GFPGANRecipe(network, discriminator, perceptual, self.config.training)

    def _perceptual(self, upstream: Upstream) -> nn.Module | None:
        choice = self.config.training.perceptual
        if choice == "vgg19":
            return VGGPerceptualLoss("vgg19", VGG_LAYERS, upstream["vgg19"][""], style=True, range_norm=True)
        if choice == "off":
            return None
        judge = self._prior().discriminator()
        load_strict(judge, upstream["prior"].get("discriminator", {}), "GFP-GAN prior's discriminator")
        return FeatureDistance(DiscriminatorFeatures(judge, value_range=self._prior().value_range))

    def _prior(self) -> Prior:
        prior = self.peers["prior"]
        if not isinstance(prior, Prior):
            raise TypeError(self.unsupported())
        return prior
