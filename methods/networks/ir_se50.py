"""IR-SE50, the ArcFace network behind GPEN's identity loss. State-dict keys are those of `model_ir_se50.pth`.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019 (arXiv 1801.07698).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

STAGES = ((64, 3), (128, 4), (256, 14), (512, 3))
"""Channels and number of units; the first unit of each halves the size."""
SIDE = 112
EMBEDDING = 512


class SqueezeExcitation(nn.Module):
    """Channels scaled by what their means say (Hu et al., arXiv 1709.01507), through a sixteenth of their number."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 16, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // 16, channels, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True)))))


class Unit(nn.Module):
    """Improved residual unit: norm, convolution, PReLU, convolution, norm, squeeze-and-excitation."""

    def __init__(self, in_channels: int, channels: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.shortcut_layer = None
        if in_channels != channels:
            project = nn.Conv2d(in_channels, channels, 1, stride, bias=False)
            self.shortcut_layer = nn.Sequential(project, nn.BatchNorm2d(channels))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(in_channels),
            nn.Conv2d(in_channels, channels, 3, 1, 1, bias=False),
            nn.PReLU(channels),
            nn.Conv2d(channels, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            SqueezeExcitation(channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        skip = x[:, :, :: self.stride, :: self.stride] if self.shortcut_layer is None else self.shortcut_layer(x)
        out: Tensor = self.res_layer(x) + skip
        return out


class IRSE50(nn.Module):
    """Face crops (B, 3, 112, 112) in [-1, 1] -> embeddings (B, 512) of unit length."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layer = nn.Sequential(nn.Conv2d(3, 64, 3, 1, 1, bias=False), nn.BatchNorm2d(64), nn.PReLU(64))
        units, width = [], 64
        for channels, count in STAGES:
            units += [Unit(width if i == 0 else channels, channels, 2 if i == 0 else 1) for i in range(count)]
            width = channels
        self.body = nn.Sequential(*units)
        self.output_layer = nn.Sequential(
            nn.BatchNorm2d(width), nn.Dropout(0.6), nn.Flatten(),
            nn.Linear(width * (SIDE // 16) ** 2, EMBEDDING), nn.BatchNorm1d(EMBEDDING),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(self.output_layer(self.body(self.input_layer(x))))
