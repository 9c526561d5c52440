"""The fusion module (paper, Sec. 3.3, eq. 1): x_hat = Conv(R_fusion(Conv(f_syn) + f_reg))."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.initialise import kaiming_fan_out


class ResidualBlock(nn.Module):
    """Convolution, ReLU, convolution, the input added, ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + x)


class FusionModule(nn.Module):
    """Two maps of equal size -> x_hat (B,3,h,w), not clamped; no skip from any image. Keys: `conv`, `body`, `last`.

    Features are fused in the paper's model; images (3 channels each) in the ablation of Table 3, row b. Where the
    second map has not `channels` channels, as an image or the feature of a network without R_mg, a convolution brings it
    there (`embed`, absent in the released model).
    """

    def __init__(self, syn_channels: int, reg_channels: int = 64, channels: int = 64, blocks: int = 8) -> None:
        super().__init__()
        self.conv = nn.Conv2d(syn_channels, channels, 3, padding=1)
        self.embed = nn.Identity() if reg_channels == channels else nn.Conv2d(reg_channels, channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(channels) for _ in range(blocks)))
        self.last = nn.Conv2d(channels, 3, 3, padding=1)
        self.apply(kaiming_fan_out)

    def forward(self, syn: Tensor, reg: Tensor) -> Tensor:
        x_hat: Tensor = self.last(self.body(self.conv(syn) + self.embed(reg)))
        return x_hat
