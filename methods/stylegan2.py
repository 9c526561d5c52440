"""StyleGAN2 (Karras et al., CVPR 2020): the generative prior that GFP-GAN, GLEAN and UGPNet start from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import Facts, Prior, Stage, Upstream
from methods.recipes.adversarial import EMA, lazy_adam
from ugpnet.checkpoints import load_strict, unwrap
from ugpnet.settings import Augmentation, Budget, Config, LazyR1, Optim, Schedule

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from methods.recipes.stylegan2 import StyleGAN2Recipe
    from ugpnet.nn.discriminator import StyleGAN2Discriminator
    from ugpnet.nn.stylegan2 import StyleGAN2Generator
    from ugpnet.recipe import Weights

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
        return (Stage("prior", config, self.config.budget, lambda _: self._recipe(config), data="images"),)

    def _recipe(self, config: StageConfig) -> StyleGAN2Recipe:
        from methods.recipes.stylegan2 import StyleGAN2Recipe

        return StyleGAN2Recipe(config)

    def network(self) -> StyleGAN2Generator:
        from methods.recipes.stylegan2 import build_generator

        return build_generator(self.task.size, self.config.architecture)

    def discriminator(self) -> StyleGAN2Discriminator:
        """The discriminator that was trained with the prior; its images are in [-1, 1]."""
        from methods.recipes.stylegan2 import build_discriminator

        return build_discriminator(self.task.size, self.config.architecture)

    def adopt(self, stage: str, checkpoint: Mapping[str, Any]) -> Weights:
        """A released generator file (`params_ema`); the discriminator is in a file of its own and not needed here."""
        network = self.network()
        state = unwrap(checkpoint, network.state_dict())
        load_strict(network, state, "StyleGAN2")
        return {"generator": state}

    def sample(self, weights: Upstream, count: int, generator: torch.Generator) -> Iterator[Tensor]:
        import torch

        network = self.network()
        load_strict(network, weights["prior"]["generator"], "StyleGAN2")
        network.eval()
        with torch.no_grad():
            for start in range(0, count, 16):
                codes = torch.randn(min(16, count - start), network.num_style_feat, generator=generator)
                image = network(codes, generator=generator)
                yield (image + 1) / 2  # type: ignore[operator]
