"""Losses on the activations of a frozen extractor. Images are (B,3,H,W) in [0, 1] unless said otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.features import VGG, FeatureExtractor, VGGFeatures
from ugpnet.losses.pixel import l1_loss, mse_loss

LPIPS_LAYERS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")


def gram_matrix(features: Tensor) -> Tensor:
    """F F^T / (C H W) of features (B,C,H,W): (B,C,C)."""
    flat = features.flatten(2)
    return flat @ flat.mT / (flat.shape[1] * flat.shape[2])


def style_loss(features: Tensor, target: Tensor) -> Tensor:
    """Mean absolute error of two Gram matrices (Gatys et al., arXiv 1508.06576, with BasicSR's L1)."""
    return l1_loss(gram_matrix(features), gram_matrix(target))


def unit_channels(features: Tensor) -> Tensor:
    """Features (B,C,H,W) over (length across channels + 1e-10); zeros have gradient 0, not NaN."""
    length: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (length + 1e-10)


class VGGPerceptualLoss(nn.Module):
    """{"perceptual": ..., "style": ...}: each a sum over VGG layers of weight * distance, as in BasicSR.

    `layer_weights` names layers (`conv5_4` is before its ReLU) and weighs both terms; the style term, L1 of
    Gram matrices, is there only with `style=True`. `distance` compares activations. `range_norm` is for
    images in [-1, 1]. `weights` is torchvision's state dict. The target carries no gradient.
    """

    def __init__(self, network: VGG, layer_weights: Mapping[str, float], weights: Mapping[str, Tensor], *,
                 style: bool = False, distance: Literal["l1", "mse"] = "l1",
                 range_norm: bool = False) -> None:  # fmt: skip
        super().__init__()
        self.features = VGGFeatures(network, tuple(layer_weights), weights)
        self.layer_weights = dict(layer_weights)
        self.style = style
        self.distance = distance
        self.range_norm = range_norm

    def forward(self, restored: Tensor, gt: Tensor) -> dict[str, Tensor]:
        found, wanted = self._activations(restored), self._activations(gt.detach())
        terms = {"perceptual": self._weighted(l1_loss if self.distance == "l1" else mse_loss, found, wanted)}
        return terms | {"style": self._weighted(style_loss, found, wanted)} if self.style else terms

    def _weighted(self, compare: Callable[[Tensor, Tensor], Tensor],
                  found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> Tensor:  # fmt: skip
        parts = [weight * compare(found[name], wanted[name]) for name, weight in self.layer_weights.items()]
        return torch.stack(parts).sum()

    def _activations(self, images: Tensor) -> dict[str, Tensor]:
        activations: dict[str, Tensor] = self.features((images + 1) / 2 if self.range_norm else images)
        return activations


class LPIPSLoss(nn.Module):
    """Mean LPIPS 0.1 with the VGG16 backbone (Zhang et al., arXiv 1801.03924), L_per of arXiv 2401.00370.

    `vgg16` is torchvision's state dict, `heads` that of the linear layers (`lin0.model.1.weight` ...): the
    file `weights/v0.1/vgg.pth` inside the `lpips` package. With `resize`, both images first become squares of
    that side, bicubic without antialiasing; the released UGPNet trains with 256 whatever the images' size.
    LPIPS' own scaling of [-1, 1] images is ImageNet's normalisation of [0, 1] images. Raises ValueError for
    missing weights.
    """

    def __init__(self, vgg16: Mapping[str, Tensor], heads: Mapping[str, Tensor],
                 resize: int | None = None) -> None:  # fmt: skip
        super().__init__()
        self.features = VGGFeatures("vgg16", LPIPS_LAYERS, vgg16)
        self.resize = resize
        names = [f"lin{index}.model.1.weight" for index in range(len(LPIPS_LAYERS))]
        if missing := [name for name in names if name not in heads]:
            raise ValueError(f"LPIPS lacks {', '.join(missing)}; give those of lpips/weights/v0.1/vgg.pth")
        for index, name in enumerate(names):
            self.register_buffer(f"head{index}", heads[name].detach().view(1, -1, 1, 1), persistent=False)

    def forward(self, restored: Tensor, gt: Tensor) -> Tensor:
        first, second = (self.features(resize_square(images, self.resize)) for images in (restored, gt))
        levels = [
            (self.get_buffer(f"head{index}") * _unit_difference(first[name], second[name])).sum(1).mean()
            for index, name in enumerate(LPIPS_LAYERS)
        ]
        return torch.stack(levels).sum()


def resize_square(images: Tensor, side: int | None) -> Tensor:
    """Images (B,3,side,side), bicubic without antialiasing and whatever their aspect; unchanged for None."""
    if side is None:
        return images
    return F.interpolate(images, size=(side, side), mode="bicubic", align_corners=False)


def _unit_difference(features: Tensor, target: Tensor) -> Tensor:
    return (unit_channels(features) - unit_channels(target)).square()


class FeatureDistance(nn.Module):
    """Mean squared distance of unit-length activations, over positions and then levels: a scalar in [0, 4].

    LPIPS' form without its trained heads, on any extractor. It is not LPIPS and its values do not compare
    with it.
    """

    def __init__(self, features: FeatureExtractor) -> None:
        super().__init__()
        self.features = features

    def forward(self, restored: Tensor, gt: Tensor) -> Tensor:
        first, second = self.features(restored), self.features(gt)
        levels = [_unit_difference(first[name], second[name]).sum(1).mean() for name in self.features.layers]
        return torch.stack(levels).mean()
