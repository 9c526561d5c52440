"""ESRGAN (Wang et al., ECCV Workshops 2018): an RRDBNet trained on against a relativistic discriminator."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from methods.base import Facts, Method, Peer, Stage, Upstream, unfit_size
from methods.recipes import basicsr
from ugpnet.checkpoints import load_strict
from ugpnet.settings import Budget, Config, Optim, Perceptual, Schedule

if TYPE_CHECKING:
    from torch import nn

    from methods.recipes.esrgan import ESRGANRecipe

SMALLEST_PATCH = 8
RATES = Optim(
    lr=1e-4, betas=(0.9, 0.99),
    schedule=Schedule(kind="multistep", milestones=(50_000, 100_000, 200_000, 300_000), gamma=0.5),
)  # fmt: skip


class ESRGANPerceptual(Config):
    """What the perceptual term compares: VGG19's conv5_4 before its ReLU, as published, or features drawn from `seed`."""

    features: Literal["vgg19", "random", "off"] = "vgg19"
    seed: int = 0

    @property
    def label(self) -> str:
        """The name under which the term is logged."""
        return "perceptual" if self.features == "vgg19" else f"feature_distance({self.features})"

    @property
    def note(self) -> str | None:
        """The table's footnote where the term is not the published one."""
        notes = {"random": "perceptual loss on random features, not on VGG19", "off": "no perceptual loss"}
        return notes.get(self.features)


class ESRGANTraining(Config):
    """BasicSR's recipe (`train_ESRGAN_x4.yml`), images in [0, 1]. A weight of 0 switches the adversarial term off."""

    optim: Optim = RATES
    d_optim: Optim = RATES
    l1: float = 0.01
    perceptual: ESRGANPerceptual = ESRGANPerceptual()
    perceptual_weight: float = 1
    adversarial: float = 0.005
    num_feat: int = 64
    average: float = 0.999


class ESRGANConfig(Config):
    """`pretrained` is the network that the GAN goes on from, trained for PSNR; `num_feat` is the discriminator's width."""

    pretrained: Peer = "rrdbnet"
    training: ESRGANTraining = ESRGANTraining()
    budget: Budget = Budget(iterations=400_000, batch_size=16, patch=128, flips=basicsr.FLIPS)


class StageConfig(Config):
    """What the one stage reads beside the pretrained network; `patch` is the side of the discriminator's images."""

    patch: int
    training: ESRGANTraining


class ESRGANMethod(Method):
    version: ClassVar[int] = 1
    Config = ESRGANConfig
    config: ESRGANConfig
    facts: ClassVar[Facts] = Facts(
        title="ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", family="generative",
        venue="ECCV Workshops 2018", arxiv="1809.00219", code="https://github.com/XPixelGroup/BasicSR",
        licence="Apache-2.0",
        bibtex=basicsr.BIBTEX,
    )  # fmt: skip

    def unsupported(self) -> str | None:
        if self.task.scale == 1:
            return f"ESRGAN only enlarges images; task {self.task.name} keeps their size"
        return self.peers["pretrained"].unsupported() or self._unfit()

    def _unfit(self) -> str | None:
        """Why the stage cannot go on from `pretrained`, or its discriminator cannot see the patches."""
        if self.peers["pretrained"].needs() != ("network",):
            return f"pretrained: {self.config.pretrained!r} leaves no single network to go on from; name an rrdbnet row"
        return unfit_size(self._patch, SMALLEST_PATCH)

    def notes(self) -> tuple[str, ...]:
        note = self.config.training.perceptual.note
        return () if note is None else (note,)

    @property
    def _patch(self) -> int:
        return self.config.budget.patch or self.task.size

    def stages(self) -> tuple[Stage, ...]:
        training = self.config.training
        reads = StageConfig(patch=self._patch, training=training)
        vgg = ("vgg19",) if training.perceptual.features == "vgg19" else ()
        return (Stage("network", reads, self.config.budget, self._recipe, ("pretrained", *vgg)),)

    def network(self) -> nn.Module:
        return self.peers["pretrained"].network()

    def _recipe(self, upstream: Upstream) -> ESRGANRecipe:
        from methods.networks.vgg_discriminator import VGGDiscriminator
        from methods.recipes.esrgan import ESRGANRecipe

        training, network = self.config.training, self.network()
        load_strict(network, upstream["pretrained"]["network"], "ESRGAN pretrained")
        discriminator = VGGDiscriminator(num_feat=training.num_feat, input_size=self._patch)
        return ESRGANRecipe(network, discriminator, self._perceptual(upstream), training)

    def _perceptual(self, upstream: Upstream) -> nn.Module | None:
        from methods.recipes.esrgan import Conv5Loss
        from ugpnet.losses.selection import build_perceptual

        choice = self.config.training.perceptual
        if choice.features == "off":
            return None
        if choice.features == "vgg19":
            return Conv5Loss(upstream["vgg19"][""])
        return build_perceptual(Perceptual(features="random", seed=choice.seed), {})

    def restorer(self, weights: Upstream) -> nn.Module:
        network = self.network()
        load_strict(network, weights["network"]["network"], "ESRGAN")
        return network.eval()
