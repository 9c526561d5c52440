"""The restoration module (paper, Sec. 3.1): any regression network, residual ones with R_se and R_mg around them."""

from __future__ import annotations

from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.initialise import kaiming_fan_out
from ugpnet.nn.regressor import Regressor

SLOPE = 0.2
"""Of every LeakyReLU of the restoration module."""


class ConvStack(nn.Module):
    """Three 3x3 convolutions, each followed by LeakyReLU."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.conv = nn.ModuleList(
            nn.Conv2d(in_channels if i == 0 else channels, channels, 3, padding=1) for i in range(3)
        )

    def forward(self, x: Tensor) -> Tensor:
        for conv in self.conv:
            x = F.leaky_relu(conv(x), SLOPE)
        return x


class ImageHead(nn.Module):
    """Feature (B,C,h,w) -> image (B,3,h,w). The LeakyReLU after the convolution is the released code's, not the paper's."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 3, 3, padding=1), nn.LeakyReLU(SLOPE))

    def forward(self, x: Tensor) -> Tensor:
        image: Tensor = self.body(x)
        return image


class StructureEncoder(nn.Module):
    """R_se (`input_encoder`) and R_mg (`merge_decoder`, `to_img`): the residual is added to the input as a feature."""

    def __init__(self, regression_channels: int, channels: int) -> None:
        super().__init__()
        self.input_encoder = ConvStack(3, regression_channels)
        self.merge_decoder = nn.Sequential(ConvStack(regression_channels, channels), ConvStack(channels, channels))
        self.to_img = ImageHead(channels)
        self.apply(kaiming_fan_out)

    def forward(self, x: Tensor, residual: Tensor) -> tuple[Tensor, Tensor]:
        """`(x_reg, f_reg)` of the degraded image and R'(x): x_reg = R_mg(R'(x) + R_se(x))."""
        f_reg: Tensor = self.merge_decoder(self.input_encoder(x) + residual)
        return self.to_img(f_reg), f_reg


class ResidualRestoration(nn.Module):
    """A residual regression network used up to its last feature, with R_se and R_mg.

    Keys are the released ones: `regression.*`, `encoder.*`. The regression network's own image head stays in the state
    dict and gets no gradient.
    """

    scale = 1

    def __init__(self, regression: nn.Module, channels: int = 64) -> None:
        super().__init__()
        self.regression = regression
        self.encoder = StructureEncoder(cast(Regressor, regression).feature_channels, channels)
        self.feature_channels = channels

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(x_reg (B,3,h,w), f_reg (B,feature_channels,h,w))`, neither clamped."""
        x_reg, f_reg = self.encoder(x, cast(Regressor, self.regression).features(x))
        return x_reg, f_reg

    def forward(self, x: Tensor) -> Tensor:
        return self.both(x)[0]


def restoration_module(regressor: nn.Module, structure_encoder: bool = True, channels: int = 64) -> nn.Module:
    """The restoration module around `regressor`, which offers `both`, `features`, `feature_channels` and `residual`.

    A direct network is used as it is, and so is a residual one without `structure_encoder` (Table 3, row a).
    """
    if not isinstance(regressor, Regressor):
        raise TypeError(f"{type(regressor).__name__} gives no features: wrap it in ugpnet.nn.tap.Tap")
    return ResidualRestoration(regressor, channels) if structure_encoder and regressor.residual else regressor
