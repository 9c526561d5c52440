"""The patch-wise contextual loss of UGPNet: textures of the synthesised image, searched for nearby only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from ugpnet.features import FeatureExtractor
from ugpnet.losses.contextual import contextual_losses


class PatchContextualLoss(nn.Module):
    """Mean contextual loss over non-overlapping `patch` x `patch` tiles (L_cf of Eq. 3, arXiv 2401.00370).

    `forward(x, y)`: images (B,3,H,W) in [0, 1]; y is a constant, x_syn in the paper. `features` must have one
    layer. It sees each tile on its own, so its convolutions pad at the tile's border; the centre is y's mean
    over all tiles. Raises ValueError unless y is free of gradients and H and W are multiples of `patch`.

    x's gradient is made in the forward pass, a group of tiles at a time: no more activations than one group's
    are ever held. It is computed in float32 also under autocast, whose loss scale could not reach it. No
    second derivative.

    The released UGPNet: VGG19 relu3_4, patch 128, band width 0.5.
    """

    def __init__(self, features: FeatureExtractor, patch: int = 128, band_width: float = 0.5) -> None:
        super().__init__()
        if len(features.layers) != 1:
            raise ValueError(f"the contextual loss compares one layer, not {', '.join(features.layers)}")
        self.features = features
        self.patch = patch
        self.band_width = band_width

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        if y.requires_grad:
            raise ValueError("the contextual loss takes y as a constant: detach it")
        tiles = split_tiles(x, self.patch)
        with torch.autocast(x.device.type, enabled=False):
            with torch.no_grad():
                targets = [self._activation(group) for group in _groups(split_tiles(y, self.patch))]
                centre = torch.cat([target.mean((2, 3)) for target in targets]).mean(0)
            losses: Tensor = _TileLosses.apply(tiles, targets, centre, self)
        return losses.mean()

    def tile_losses(self, tiles: Tensor, target: Tensor, centre: Tensor) -> Tensor:
        """Losses (T,) of tiles (T,3,patch,patch) towards target activations (T,C,h,w), centred by (C,)."""
        return contextual_losses(self._activation(tiles), target, centre, self.band_width)

    def _activation(self, tiles: Tensor) -> Tensor:
        activation: Tensor = self.features(tiles)[self.features.layers[0]]
        return activation


def split_tiles(images: Tensor, patch: int) -> Tensor:
    """Tiles (h*w*B,C,patch,patch) of images (B,C,h*patch,w*patch), in order (row, column, batch)."""
    batch, channels, height, width = images.shape
    if height % patch or width % patch:
        raise ValueError(f"{height}x{width} images do not divide into tiles of {patch} (`patch`)")
    grid = images.view(batch, channels, height // patch, patch, width // patch, patch)
    return grid.permute(2, 4, 0, 1, 3, 5).reshape(-1, channels, patch, patch)


def _groups(tiles: Tensor) -> Iterator[Tensor]:
    """One tile at a time where activations should stay in the cache, several where kernels are launched."""
    step = 1 if tiles.device.type == "cpu" else 8
    return (tiles[start : start + step] for start in range(0, len(tiles), step))


class _TileLosses(torch.autograd.Function):
    """Losses (T,) of tiles; backward only scales the gradients that forward has made."""

    @staticmethod
    def forward(ctx: Any, tiles: Tensor, targets: list[Tensor], centre: Tensor,
                loss: PatchContextualLoss) -> Tensor:  # fmt: skip
        differentiate = ctx.needs_input_grad[0]
        values, gradients = [], []
        for group, target in zip(_groups(tiles), targets, strict=True):
            with torch.set_grad_enabled(differentiate):
                leaf = group.detach().requires_grad_(differentiate)
                value = loss.tile_losses(leaf, target, centre)
            values.append(value.detach())
            if differentiate:
                gradients.append(torch.autograd.grad(value, leaf, torch.ones_like(value))[0])
        if differentiate:
            ctx.save_for_backward(torch.cat(gradients))
        return torch.cat(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * grad.view(-1, 1, 1, 1), None, None, None
