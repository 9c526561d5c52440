"""What both of VQFR's trainings add up: perceptual terms and the adaptive weight."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from methods.losses.style import UnitStyleLoss
from methods.networks.images import unsigned
from methods.recipes.vqfr_config import VQFRPerceptual
from ugpnet.losses.perceptual import LPIPSLoss
from ugpnet.losses.selection import Backbones, build_perceptual
from ugpnet.recipe import Term


class Likeness(nn.Module):
    """Perceptual distance and style of images (B, 3, H, W) in [-1, 1]; no style on other features than VGG16's."""

    def __init__(self, config: VQFRPerceptual, weights: Backbones) -> None:
        super().__init__()
        self.label = config.label
        self.distance = build_perceptual(config, weights)
        self.gram = UnitStyleLoss(self.distance.features) if isinstance(self.distance, LPIPSLoss) else None

    def perceptual(self, restored: Tensor, gt: Tensor) -> Tensor:
        distance: Tensor = self.distance(unsigned(restored), unsigned(gt))
        return distance

    def style(self, restored: Tensor, gt: Tensor) -> Tensor | None:
        return None if self.gram is None else self.gram(unsigned(restored), unsigned(gt))


def adaptive_weight(anchor: Tensor, adversarial: Tensor, last_layer: Tensor) -> Tensor:
    """|d anchor / d last_layer| / (|d adversarial / d last_layer| + 1e-4), at most 1e4 (VQGAN, arXiv 2012.09841).

    A constant: nothing flows through it. The graphs stay alive.
    """
    lengths = [
        torch.linalg.vector_norm(torch.autograd.grad(loss, last_layer, retain_graph=True)[0])
        for loss in (anchor, adversarial)
    ]
    weight: Tensor = lengths[0] / (lengths[1] + 1e-4)
    return weight.clamp(0, 1e4).detach()


def prefixed(prefix: str, terms: Mapping[str, Term]) -> dict[str, Term]:
    """The same terms, logged as `<prefix>_<name>`."""
    return {f"{prefix}_{name}": term for name, term in terms.items()}
