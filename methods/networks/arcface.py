"""ArcFace's ResNet-18, whose embedding of a grey face GFP-GAN's identity loss compares. Released state-dict keys.

Deng et al., "ArcFace: Additive Angular Margin Loss for Deep Face Recognition", CVPR 2019 (arXiv 1801.07698).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

GREY = (0.2989, 0.5870, 0.1140)
"""Weights of red, green and blue."""
SIDE = 128


class IRBlock(nn.Module):
    """Residual block that normalises its input first; both activations share one slope."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.bn0 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, in_channels, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.prelu = nn.PReLU()
        self.conv2 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.downsample = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:
        out = self.prelu(self.bn1(self.conv1(self.bn0(x))))
        out = self.prelu(self.bn2(self.conv2(out)) + self.downsample(x))
        return torch.as_tensor(out)


class ArcFaceResNet18(nn.Module):
    """Embedding (B, 512) of grey faces (B, 1, 128, 128) in [-1, 1]; `grey_face` makes those. Not of unit length."""

    def __init__(self, layers: tuple[int, int, int, int] = (2, 2, 2, 2)) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 64, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.prelu = nn.PReLU()
        self.maxpool = nn.MaxPool2d(2)
        self.layer1 = _stage(64, 64, layers[0], stride=1)
        self.layer2 = _stage(64, 128, layers[1], stride=2)
        self.layer3 = _stage(128, 256, layers[2], stride=2)
        self.layer4 = _stage(256, 512, layers[3], stride=2)
        self.bn4 = nn.BatchNorm2d(512)
        self.dropout = nn.Dropout()
        self.fc5 = nn.Linear(512 * (SIDE // 16) ** 2, 512)
        self.bn5 = nn.BatchNorm1d(512)

    def forward(self, x: Tensor) -> Tensor:
        x = self.maxpool(self.prelu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        embedding: Tensor = self.bn5(self.fc5(self.dropout(self.bn4(x)).flatten(1)))
        return embedding


def _stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
    rest = [IRBlock(out_channels, out_channels, 1) for _ in range(blocks - 1)]
    return nn.Sequential(IRBlock(in_channels, out_channels, stride), *rest)


def grey_face(x: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 1, 128, 128), the same range; bilinear, as GFP-GAN feeds its identity loss."""
    weights = x.new_tensor(GREY).view(1, 3, 1, 1)
    return F.interpolate((x * weights).sum(1, keepdim=True), size=(SIDE, SIDE), mode="bilinear", align_corners=False)
