"""The VGG16 term of GCFSR and GLEAN, conv4_3 before its ReLU, and what may stand in for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

from torch import Tensor, nn

from methods.networks.images import unsigned
from methods.recipes.perceptual import PerceptualTerm
from ugpnet.losses.perceptual import VGGPerceptualLoss
from ugpnet.losses.selection import build_perceptual
from ugpnet.recipe import Weights
from ugpnet.settings import Perceptual


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
