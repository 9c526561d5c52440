"""What UGPNet asks of its regression network: the restored image and the features before the image head."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import Tensor


@runtime_checkable
class Regressor(Protocol):
    """A regression network R (paper, Sec. 3.1): an `nn.Module` that also gives its last feature map.

    Images are (B, 3, h, w) RGB in [0, 1], not clamped; outputs are (B, 3, h * scale, w * scale).
    """

    feature_channels: int
    scale: int
    residual: bool
    """True: x_reg = R(x) + x, the feature is of a residual image. False: the image is regressed directly."""

    def __call__(self, x: Tensor, /) -> Tensor:
        """x_reg, the restored image."""

    def features(self, x: Tensor) -> Tensor:
        """R'(x), the input of the image head, (B, feature_channels, h * scale, w * scale)."""

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(x_reg, R'(x))` from one forward pass."""
