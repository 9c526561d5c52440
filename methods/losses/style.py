"""VQFR's style loss: Gram matrices of LPIPS' own features."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ugpnet.features import FeatureExtractor
from ugpnet.losses.perceptual import style_loss, unit_channels


class UnitStyleLoss(nn.Module):
    """Sum over the layers of the L1 distance of Gram matrices of unit-length features: a scalar.

    Images (B, 3, H, W) in [0, 1]; the target carries no gradient. Source: TencentARC/VQFR, there on VGG16's five
    LPIPS layers.
    """

    def __init__(self, features: FeatureExtractor) -> None:
        super().__init__()
        self.features = features

    def forward(self, restored: Tensor, gt: Tensor) -> Tensor:
        found, wanted = self.features(restored), self.features(gt.detach())
        layers = self.features.layers
        return torch.stack([style_loss(unit_channels(found[n]), unit_channels(wanted[n])) for n in layers]).sum()
