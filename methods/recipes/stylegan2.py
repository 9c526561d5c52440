"""StyleGAN2's training, after BasicSR, and its two networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ugpnet.diffaugment import diff_augment
from ugpnet.losses.adversarial import logistic_g_loss
from ugpnet.losses.discrimination import logistic_terms
from ugpnet.losses.regularisers import PathLengthPenalty
from ugpnet.nn.discriminator import StyleGAN2Discriminator
from ugpnet.nn.stylegan2 import StyleGAN2Generator, draw_normal
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term

if TYPE_CHECKING:
    from methods.stylegan2 import Architecture, StageConfig


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
