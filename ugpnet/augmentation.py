"""Augmentations that need a whole batch: the synthesis stage's affine transform (released UGPNet), and MixUp."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

SCALE = (7 / 8, 9 / 8)
SHIFT_X = 128 / 512
SHIFT_Y = 50 / 512
DEGREES = 5


def augment_together(images: tuple[Tensor, ...], step: int, generator: torch.Generator) -> tuple[Tensor, ...]:
    """All images (B,3,S,S) under the same transform, clamped to [0, 1]: scaling, shifting and turning take turns.

    Scale U(7/8, 9/8); a shift by whole pixels of at most S/4 to the side and S/10 up or down; whole degrees up to 5.
    Nearest neighbours, zeros outside, about the centre.
    """
    size = images[0].shape[-1]
    matrix = torch.eye(2, 3)
    if step % 3 == 0:
        matrix[:, :2] /= SCALE[0] + (SCALE[1] - SCALE[0]) * torch.rand((), generator=generator)
    elif step % 3 == 1:
        shift = (_whole(round(SHIFT_X * size), generator), _whole(round(SHIFT_Y * size), generator))
        matrix[:, 2] = torch.tensor([-2 * pixels / size for pixels in shift])
    else:
        angle = math.radians(_whole(DEGREES, generator))
        matrix[:, :2] = torch.tensor([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return tuple(_resample(image, matrix).clamp(0, 1) for image in images)


def _whole(most: int, generator: torch.Generator) -> int:
    """A whole number in [-most, most]."""
    return int(torch.randint(-most, most + 1, (), generator=generator))


def _resample(image: Tensor, matrix: Tensor) -> Tensor:
    """`matrix` (2,3) maps output to input positions in [-1, 1]; square images."""
    theta = matrix.to(image).expand(len(image), -1, -1)
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid, mode="nearest", padding_mode="zeros", align_corners=False)


def mix_pairs(lq: Tensor, gt: Tensor, concentration: float, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Every pair (B,3,h,w), (B,3,H,W) blended with one of a permutation of the batch (MixUp, arXiv 1710.09412).

    One weight per pair, Beta(concentration, concentration).
    """
    order = torch.randperm(len(gt), generator=generator).to(gt.device)
    weight = _draw_beta(len(gt), concentration, generator).to(gt)[:, None, None, None]
    return torch.lerp(lq[order], lq, weight), torch.lerp(gt[order], gt, weight)


def _draw_beta(count: int, concentration: float, generator: torch.Generator) -> Tensor:
    """`count` values of Beta(c, c), by Johnk's rejection: torch.distributions takes no generator."""
    accepted = torch.empty(0)
    while len(accepted) < count:
        x, y = torch.rand(2, 4 * count, generator=generator) ** (1 / concentration)
        accepted = torch.cat((accepted, (x / (x + y))[x + y <= 1]))
    return accepted[:count]
