"""GPEN: an encoder whose every map enters a StyleGAN2 as noise, by concatenation. State-dict keys are the released ones.

Yang et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild", CVPR 2021 (arXiv 2105.06070).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from methods.networks.images import check_size
from methods.networks.released import Renaming, release_names
from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.nn.blocks import ConvLayer, EqualLinear, channels_at, octaves
from ugpnet.nn.discriminator import StyleGAN2Discriminator
from ugpnet.nn.resample import BINOMIAL, persist_kernels
from ugpnet.nn.stylegan2 import StyleGAN2Generator

NOISE_STRENGTH = r"^(style_conv1|style_convs\.\d+)\.weight$"
GENERATOR_NAMES: Renaming = (
    (r"^style_mlp\.", "style."),
    (r"^constant_input\.weight$", "input.input"),
    (NOISE_STRENGTH, r"\1.noise.weight"),
    (r"^style_conv", "conv"),
    (r"modulated_conv\.", "conv."),
)
DISCRIMINATOR_NAMES: Renaming = ((r"^conv_body\.", "convs."),)


class GPEN(nn.Module):
    """Images (B, 3, size, size) in [-1, 1] -> restored, the same. Released as `FullGenerator`.

    `isconcat=False` adds the encoder's maps, scaled, instead of concatenating them.
    """

    def __init__(
        self,
        size: int,
        style_dim: int = 512,
        n_mlp: int = 8,
        channel_multiplier: float = 2,
        blur_kernel: Sequence[float] = BINOMIAL,
        lr_mlp: float = 0.01,
        isconcat: bool = True,
        narrow: float = 1,
    ) -> None:
        super().__init__()
        self.size, self.levels = size, octaves(size)
        width = [channels_at(size >> level, channel_multiplier, narrow) for level in range(self.levels + 1)]
        self.generator = StyleGAN2Generator(
            size, style_dim, n_mlp, channel_multiplier, blur_kernel, lr_mlp, narrow, "concat" if isconcat else "add"
        )
        self.generator.noises = nn.Module()
        self.ecd0 = nn.Sequential(ConvLayer(3, width[0], 1))
        for level in range(1, self.levels + 1):
            down = ConvLayer(width[level - 1], width[level], 3, True, blur_kernel)
            self.add_module(f"ecd{level}", nn.Sequential(down))
        self.final_linear = nn.Sequential(EqualLinear(width[-1] * 16, style_dim, activate=True))
        persist_kernels(self)
        release_names(self.generator, GENERATOR_NAMES)

    def forward(self, x: Tensor) -> Tensor:
        return self.synthesize(x)[0]

    def synthesize(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(restored, latents (B, num_latent, style_dim)): the latents are the image's own, one repeated."""
        check_size(x, self.size, "GPEN")
        maps = list(self._encode(x))
        w = self.generator.map(self.final_linear(maps[-1].flatten(1)))
        latents = w[:, None].repeat(1, self.generator.num_latent, 1)
        coarse, *finer = reversed(maps)
        noise = [coarse, *(level for level in finer for _ in range(2))]
        return self.generator.synthesize(latents, noise=noise)[0], latents

    def _encode(self, x: Tensor) -> Iterator[Tensor]:
        """The encoder's maps, finest first."""
        for level in range(self.levels + 1):
            x = self.get_submodule(f"ecd{level}")(x)
            yield x


class GPENDiscriminator(StyleGAN2Discriminator):
    """StyleGAN2's discriminator with the standard deviation over the whole batch."""

    def __init__(
        self,
        size: int,
        channel_multiplier: float = 2,
        blur_kernel: Sequence[float] = BINOMIAL,
        narrow: float = 1,
    ) -> None:
        super().__init__(size, channel_multiplier, blur_kernel, "batch", narrow)
        persist_kernels(self)
        release_names(self, DISCRIMINATOR_NAMES)


@torch.no_grad()
def embed_prior(network: GPEN, prior: Mapping[str, Tensor]) -> None:
    """Start the decoder as the StyleGAN2 `prior` (BasicSR's keys): it then makes the prior's images, only without noise.

    With `isconcat`, a decoder layer reads twice the prior's channels. The prior has the first half; the weights of the
    second, the encoder's, begin at zero under a noise strength of one, so that they learn from the first step. Raises
    CheckpointMismatch where an entry of the prior is missing or of a size that does not go into the decoder's.
    """
    strength = 1.0 if network.generator.injection == "concat" else 0.0
    for name, entry in network.generator.named_parameters():
        given = prior.get(name)
        if given is None or not _goes_into(given, entry):
            found = "nothing" if given is None else tuple(given.shape)
            raise CheckpointMismatch(
                f"GPEN prior: {name}: {found} for {tuple(entry.shape)}; use equal sizes and widths"
            )
        if re.match(NOISE_STRENGTH, name):
            entry.fill_(strength)
        elif name.endswith("modulated_conv.weight"):
            # At run time a weight is divided by the root of its input channels, of which there are more now.
            entry.zero_()[:, :, : given.shape[2]] = given * (entry.shape[2] / given.shape[2]) ** 0.5
        else:
            entry[tuple(slice(side) for side in given.shape)] = given


def _goes_into(given: Tensor, entry: Tensor) -> bool:
    """Whether `given` has the entry's shape, or in one axis half of it."""
    if given.dim() != entry.dim():
        return False
    wider = [e / g for g, e in zip(given.shape, entry.shape, strict=True) if g != e]
    return wider in ([], [2.0])


@torch.no_grad()
def adopt_discriminator(discriminator: GPENDiscriminator, prior: Mapping[str, Tensor]) -> None:
    """Start the discriminator as the prior's (BasicSR's keys). Raises CheckpointMismatch where they differ in width."""
    for name, entry in discriminator.named_parameters():
        if name not in prior or prior[name].shape != entry.shape:
            raise CheckpointMismatch(f"GPEN discriminator: the prior's {name} does not fit; use equal sizes and widths")
        entry.copy_(prior[name])
