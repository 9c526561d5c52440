"""The VGG16 term of GCFSR and GLEAN, conv4_3 before its ReLU, and what may stand in for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from torch import Tensor, nn

from methods.networks.images import unsigned
from ugpnet.losses.perceptual import VGGPerceptualLoss
from ugpnet.losses.selection import Perceptual, build_perceptual
from ugpnet.recipe import Config, Weights


class PerceptualTerm(Config):
    """What the term compares. Only `vgg16` is the published one; `random` draws its weights from `seed`."""

    features: Literal["vgg16", "prior_discriminator", "random", "off"] = "vgg16"
    seed: int = 0

    @property
    def label(self) -> str:
        """The name under which the term is logged."""
        return "perceptual" if self.features == "vgg16" else f"feature_distance({self.features})"

    @property
    def needs(self) -> tuple[str, ...]:
        """Released weights that the term compares with."""
        return ("vgg16",) if self.features == "vgg16" else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The table's footnote where the term is not the published one."""
        if self.features == "vgg16":
            return ()
        if self.features == "off":
            return ("no perceptual loss",)
        return (f"perceptual loss on {self.features.replace('_', ' ')} features, not on VGG16",)


class Conv4Loss(nn.Module):
    """Distance of VGG16's conv4_3 of two images (B, 3, H, W) in [-1, 1], a scalar.

    `rescale` maps images to [0, 1] first, which the ImageNet normalisation expects and mmagic's GLEAN does not do.
    """

    def __init__(self, weights: Mapping[str, Tensor], distance: Literal["l1", "mse"], rescale: bool) -> None:
        super().__init__()
        self.loss = VGGPerceptualLoss("vgg16", {"conv4_3": 1.0}, weights, distance=distance, range_norm=rescale)

    def forward(self, restored: Tensor, gt: Tensor) -> Tensor:
        return cast(Tensor, self.loss(restored, gt)["perceptual"])


class Unsigned(nn.Module):
    """A loss of images in [0, 1], given images in [-1, 1]."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, restored: Tensor, gt: Tensor) -> Tensor:
        return cast(Tensor, self.loss(unsigned(restored), unsigned(gt)))


def build_term(
    term: PerceptualTerm, upstream: Mapping[str, Weights], distance: Literal["l1", "mse"], rescale: bool = True,
    discriminator: nn.Module | None = None,
) -> nn.Module | None:  # fmt: skip
    """The loss of (restored, gt), both in [-1, 1]; None where it is off. `discriminator` knows images in [-1, 1]."""
    if term.features == "off":
        return None
    if term.features == "vgg16":
        return Conv4Loss(upstream["vgg16"][""], distance, rescale)
    choice = Perceptual(features=term.features, seed=term.seed)
    none: Mapping[str, Any] = {}
    return Unsigned(build_perceptual(choice, none, discriminator, (-1.0, 1.0)))
