"""Perceptual and contextual losses from what is set of them, given the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from torch import Tensor, nn

from ugpnet.features import DiscriminatorFeatures, FeatureExtractor, RandomFeatures, VGGFeatures
from ugpnet.losses.patch_contextual import PatchContextualLoss
from ugpnet.losses.perceptual import FeatureDistance, LPIPSLoss
from ugpnet.settings import Contextual, Perceptual

Backbones: TypeAlias = Mapping[str, Mapping[str, Tensor]]
"""State dicts by name: `vgg16`, `vgg19` (torchvision's) and `lpips_vgg16` (lpips/weights/v0.1/vgg.pth)."""

_VGG19_LAYERS = ("relu1_2", "relu2_2", "relu3_4", "relu4_4", "relu5_4")


def build_perceptual(config: Perceptual, weights: Backbones, discriminator: nn.Module | None = None,
                     value_range: tuple[float, float] = (0.0, 1.0),
                     ) -> LPIPSLoss | FeatureDistance:  # fmt: skip
    """The loss of (restored, gt); `discriminator` knows images in `value_range`.

    Raises ValueError that names the missing weights.
    """
    if config.features == "vgg16":
        return LPIPSLoss(_weights("vgg16", weights), _weights("lpips_vgg16", weights), config.lpips_size)
    extractor: FeatureExtractor
    if config.features == "vgg19":
        extractor = VGGFeatures("vgg19", _VGG19_LAYERS, _weights("vgg19", weights))
    elif config.features == "random":
        extractor = RandomFeatures(config.seed)
    else:
        extractor = DiscriminatorFeatures(_given(discriminator), value_range=value_range)
    return FeatureDistance(extractor)


def build_contextual(config: Contextual, weights: Backbones, discriminator: nn.Module | None = None,
                     value_range: tuple[float, float] = (0.0, 1.0)) -> PatchContextualLoss:  # fmt: skip
    """The loss of (x_hat, x_syn); the arguments are those of `build_perceptual`."""
    extractor: FeatureExtractor
    if config.features == "vgg19":
        extractor = VGGFeatures("vgg19", ("relu3_4",), _weights("vgg19", weights))
    elif config.features == "random":
        extractor = RandomFeatures(config.seed, layers=("level2",))
    else:
        extractor = DiscriminatorFeatures(_given(discriminator), ("conv_body.2",), value_range)
    return PatchContextualLoss(extractor, config.patch, config.band_width)


def _weights(name: str, weights: Backbones) -> Mapping[str, Tensor]:
    if name not in weights:
        raise ValueError(
            f"no weights for {name} (given: {', '.join(sorted(weights)) or 'none'}); "
            "supply them, or choose `features: random` or `prior_discriminator`"
        )
    return weights[name]


def _given(discriminator: nn.Module | None) -> nn.Module:
    if discriminator is None:
        raise ValueError("features `prior_discriminator` need the prior's discriminator, and none was given")
    return discriminator
