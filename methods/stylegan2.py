"""StyleGAN2 (Karras et al., CVPR 2020): the generative prior that GFP-GAN, GLEAN and UGPNet start from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from methods.base import Facts, Prior, Stage, Upstream
from methods.recipes.adversarial import EMA, lazy_adam
from ugpnet.checkpoints import load_strict, unwrap
from ugpnet.diffaugment import Augmentation, diff_augment
from ugpnet.losses.adversarial import logistic_g_loss
from ugpnet.losses.discrimination import LazyR1, logistic_terms
from ugpnet.losses.regularisers import PathLengthPenalty
from ugpnet.nn.discriminator import StyleGAN2Discriminator
from ugpnet.nn.stylegan2 import StyleGAN2Generator, draw_normal
from ugpnet.recipe import Batch, Budget, Config, Optim, Player, Recipe, Schedule, Shared, Term, Weights

HALVING = Schedule(kind="multistep", milestones=(600_000,), gamma=0.5)


class Architecture(Config):
    """Widths of generator and discriminator; the side of the images is the task's."""

    num_style_feat: int = 512
    num_mlp: int = 8
    channel_multiplier: float = 2
    narrow: float = 1


class Training(LazyR1):
    """BasicSR's recipe. Lazy regularisers: every n-th step, multiplied by n. A weight of 0 switches one off.

    `augment`: DiffAugment's transforms of all that the discriminator sees, in this order; all three where images are few.
    """

    g_optim: Optim = lazy_adam(2e-3, every=4, schedule=HALVING)
    d_optim: Optim = lazy_adam(2e-3, every=16, schedule=HALVING)
    mixing: float = 0.9
    path_weight: float = 2
    path_every: int = 4
    average: float = EMA
    augment: tuple[Augmentation, ...] = ()


class StyleGAN2Config(Config):
    architecture: Architecture = Architecture()
    training: Training = Training()
    budget: Budget = Budget(iterations=800_000, batch_size=24, flips=("horizontal",))


class StageConfig(Config):
    """What the one stage reads."""

    size: int
    architecture: Architecture
    training: Training


def build_generator(size: int, architecture: Architecture) -> StyleGAN2Generator:
    return StyleGAN2Generator(size, **architecture.model_dump())


def build_discriminator(size: int, architecture: Architecture) -> StyleGAN2Discriminator:
    return StyleGAN2Discriminator(size, architecture.channel_multiplier, narrow=architecture.narrow)


class StyleGAN2Recipe(Recipe):
    """Discriminator, then generator; images in [-1, 1]; R1 and path length added to the gradient of their player's step."""

    def __init__(self, config: StageConfig) -> None:
        training = config.training
        super().__init__(
            {"generator": build_generator(config.size, config.architecture),
             "discriminator": build_discriminator(config.size, config.architecture)},
            (
                Player("discriminator", ("discriminator",), training.d_optim),
                Player("generator", ("generator",), training.g_optim),
            ),
            average={"generator": training.average},
        )  # fmt: skip
        self.config = training
        self.path_length = PathLengthPenalty()

    def forward(self, batch: Batch, step: int) -> Shared:
        return {}

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        return self._discriminator(batch, step) if player == "discriminator" else self._generator(batch, step)

    def _discriminator(self, batch: Batch, step: int) -> Mapping[str, Term]:
        real = batch.gt * 2 - 1
        with torch.no_grad():
            fake, _ = self._synthesise(len(real), batch)
        return logistic_terms(self._judge(batch.generator), real, fake, self.config, step)

    def _generator(self, batch: Batch, step: int) -> Mapping[str, Term]:
        config, count = self.config, len(batch.gt)
        fake, _ = self._synthesise(count, batch)
        terms = {"g": Term(1.0, logistic_g_loss(self._judge(batch.generator)(fake)))}
        if config.path_weight and step % config.path_every == 0:
            images, latents = self._synthesise(max(1, count // 2), batch)
            penalty = self.path_length(images, latents, batch.generator)
            terms["path"] = Term(config.path_weight * config.path_every, penalty)
        return terms

    def _judge(self, generator: torch.Generator) -> Callable[[Tensor], Tensor]:
        """The discriminator D behind new transforms T at every call: D(T(x)) wherever StyleGAN2 has D(x), R1 included.

        So R1 is the gradient at the images as they are, through T: the authors' code for few images (`ns_DiffAugment_r1`, and
        their PyTorch version) has it so; that for CIFAR and FFHQ (`ns_r1_DiffAugment`) has the gradient at T(x).
        """
        return lambda images: self.networks["discriminator"](diff_augment(images, self.config.augment, generator))

    def _synthesise(self, count: int, batch: Batch) -> tuple[Tensor, Tensor]:
        """Images and latents of fresh codes, two of them mixed with the configured probability."""
        generator = self.networks["generator"]
        if not isinstance(generator, StyleGAN2Generator):
            raise TypeError("the generator is a StyleGAN2Generator")
        mixed = bool(torch.rand((), generator=batch.generator) < self.config.mixing)
        like = generator.constant_input.weight
        codes = [
            draw_normal((count, generator.num_style_feat), like, batch.generator) for _ in range(2 if mixed else 1)
        ]
        latents = generator.mix([generator.map(code) for code in codes], None, batch.generator)
        image, _ = generator.synthesize(latents, generator=batch.generator)
        return image, latents

    def restore(self, lq: Tensor) -> Tensor:
        raise TypeError("a generative prior restores nothing")


class StyleGAN2(Prior):
    version: ClassVar[int] = 1
    Config = StyleGAN2Config
    config: StyleGAN2Config
    facts: ClassVar[Facts] = Facts(
        title="Analyzing and Improving the Image Quality of StyleGAN", family="prior", venue="CVPR 2020", arxiv="1912.04958",
        code="https://github.com/NVlabs/stylegan2", licence="Nvidia Source Code License (released code); this code: MIT",
        bibtex="""@inproceedings{karras2020stylegan2,
  title = {Analyzing and Improving the Image Quality of {StyleGAN}},
  author = {Karras, Tero and Laine, Samuli and Aittala, Miika and Hellsten, Janne and Lehtinen, Jaakko and Aila, Timo},
  booktitle = {CVPR}, year = {2020}
}""",
    )  # fmt: skip

    def stages(self) -> tuple[Stage, ...]:
        config = StageConfig(size=self.task.size, architecture=self.config.architecture, training=self.config.training)
        return (Stage("prior", config, self.config.budget, lambda _: StyleGAN2Recipe(config), data="images"),)

    def network(self) -> StyleGAN2Generator:
        return build_generator(self.task.size, self.config.architecture)

    def discriminator(self) -> StyleGAN2Discriminator:
        """The discriminator that was trained with the prior; its images are in [-1, 1]."""
        return build_discriminator(self.task.size, self.config.architecture)

    def adopt(self, stage: str, checkpoint: Mapping[str, Any]) -> Weights:
        """A released generator file (`params_ema`); the discriminator is in a file of its own and not needed here."""
        network = self.network()
        state = unwrap(checkpoint, network.state_dict())
        load_strict(network, state, "StyleGAN2")
        return {"generator": state}

    def sample(self, weights: Upstream, count: int, generator: torch.Generator) -> Iterator[Tensor]:
        network = self.network()
        load_strict(network, weights["prior"]["generator"], "StyleGAN2")
        network.eval()
        with torch.no_grad():
            for start in range(0, count, 16):
                codes = torch.randn(min(16, count - start), network.num_style_feat, generator=generator)
                image = network(codes, generator=generator)
                yield (image + 1) / 2  # type: ignore[operator]
