"""Losses between images, all scalars: means over every pixel and channel unless said otherwise."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

_LUMA = (65.481, 128.553, 24.966)
_LUMA_OFFSET = 16.0


def psnr_loss(restored: Tensor, gt: Tensor, to_y: bool = False) -> Tensor:
    """Minus the mean PSNR of a batch (B,3,H,W) in [0, 1], in dB: `10/ln 10 * mean_b ln(mse_b + 1e-8)`.

    `to_y` compares BT.601 studio-range luma, (65.481 R + 128.553 G + 24.966 B + 16) / 255. Source: HINet,
    NAFNet.
    """
    if to_y:
        restored, gt = _luma(restored), _luma(gt)
    mse = (restored - gt).square().mean((1, 2, 3))
    return 10 / math.log(10) * torch.log(mse + 1e-8).mean()


def _luma(images: Tensor) -> Tensor:
    weights = images.new_tensor(_LUMA).view(1, 3, 1, 1)
    return ((images * weights).sum(1, keepdim=True) + _LUMA_OFFSET) / 255


def l1_loss(restored: Tensor, gt: Tensor) -> Tensor:
    """Mean absolute error."""
    return F.l1_loss(restored, gt)


def mse_loss(restored: Tensor, gt: Tensor) -> Tensor:
    """Mean squared error."""
    return F.mse_loss(restored, gt)


def charbonnier_loss(restored: Tensor, gt: Tensor, eps: float = 1e-3) -> Tensor:
    """Mean of sqrt(d^2 + eps^2), L1 with a smooth minimum (Charbonnier et al., 1994); Uformer: eps 1e-3."""
    return torch.sqrt((restored - gt).square() + eps**2).mean()


def smooth_l1_loss(restored: Tensor, gt: Tensor, beta: float = 1.0) -> Tensor:
    """Mean of d^2 / (2 beta) where |d| < beta, |d| - beta/2 elsewhere (Huber's loss divided by beta)."""
    return F.smooth_l1_loss(restored, gt, beta=beta)
