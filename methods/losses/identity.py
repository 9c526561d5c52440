"""Identity losses: how far the ArcFace embeddings of the restored and the true face are apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.arcface import ArcFaceResNet18, grey_face
from methods.networks.ir_se50 import IRSE50, SIDE
from ugpnet.checkpoints import load_strict, unwrap
from ugpnet.features import freeze
from ugpnet.losses.pixel import l1_loss

if TYPE_CHECKING:
    from typing_extensions import Self

CROP = (35 / 256, 33 / 256, 32 / 256, 36 / 256)
"""What an aligned FFHQ face has above, below, left and right of the part that ArcFace knows, in shares of its side."""


class IdentityLoss(nn.Module):
    """GPEN's: 1 - <f(restored), f(gt)>, the mean over faces (B, 3, S, S) in [-1, 1], aligned as in FFHQ: a scalar in [0, 2].

    `weights` is IR-SE50's state dict; CheckpointMismatch where it is another network's.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = IRSE50()
        load_strict(self.network, weights, "IR-SE50")
        freeze(self.network)

    def train(self, mode: bool = True) -> Self:
        return super().train(False)

    def forward(self, restored: Tensor, gt: Tensor) -> Tensor:
        found, wanted = self.network(crop(restored)), self.network(crop(gt.detach()))
        loss: Tensor = (1 - (found * wanted).sum(1)).mean()
        return loss


class GreyIdentityLoss(nn.Module):
    """GFP-GAN's: mean absolute difference of the embeddings of two grey faces (B, 3, S, S) in [-1, 1]: a scalar.

    `weights` is ArcFace's ResNet-18; CheckpointMismatch where it is another network's.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.network = ArcFaceResNet18()
        load_strict(self.network, unwrap(weights), "ArcFace ResNet-18")
        freeze(self.network)

    def train(self, mode: bool = True) -> Self:
        return super().train(False)

    def forward(self, restored: Tensor, gt: Tensor) -> Tensor:
        return l1_loss(self.network(grey_face(restored)), self.network(grey_face(gt.detach())))


def crop(faces: Tensor) -> Tensor:
    """The part that ArcFace knows, by adaptive means at 112 px."""
    side = faces.shape[-1]
    above, below, left, right = (round(share * side) for share in CROP)
    return F.adaptive_avg_pool2d(faces[:, :, above : side - below, left : side - right], SIDE)
