"""GPEN's identity loss: the angle between the ArcFace embeddings of the restored and the true face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from methods.networks.ir_se50 import IRSE50, SIDE
from ugpnet.checkpoints import load_strict
from ugpnet.features import freeze

if TYPE_CHECKING:
    from typing_extensions import Self

WEIGHTS = "arcface_ir_se50"
"""Name of the released weights, `model_ir_se50.pth`."""
CROP = (35 / 256, 33 / 256, 32 / 256, 36 / 256)
"""What an aligned FFHQ face has above, below, left and right of the part that ArcFace knows, in shares of its side."""


class IdentityLoss(nn.Module):
    """1 - <f(restored), f(gt)>, the mean over faces (B, 3, S, S) in [-1, 1], aligned as in FFHQ: a scalar in [0, 2].

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


def crop(faces: Tensor) -> Tensor:
    """The part that ArcFace knows, by adaptive means at 112 px."""
    side = faces.shape[-1]
    above, below, left, right = (round(share * side) for share in CROP)
    return F.adaptive_avg_pool2d(faces[:, :, above : side - below, left : side - right], SIDE)
