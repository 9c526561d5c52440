"""Maps, tokens and windows of transformers on square maps: shapes only, no parameters."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def to_map(tokens: Tensor) -> Tensor:
    """(B, side * side, C) -> (B, C, side, side)."""
    batch, count, channels = tokens.shape
    side = math.isqrt(count)
    return tokens.transpose(1, 2).reshape(batch, channels, side, side)


def to_tokens(image: Tensor) -> Tensor:
    """(B, C, h, w) -> (B, h * w, C)."""
    return image.flatten(2).transpose(1, 2)


def cut(image: Tensor, window: int) -> Tensor:
    """(B, h, w, C) -> windows (B * h/window * w/window, window * window, C), row by row."""
    batch, height, width, channels = image.shape
    tiles = image.reshape(batch, height // window, window, width // window, window, channels)
    return tiles.transpose(2, 3).reshape(-1, window * window, channels)


def join(windows: Tensor, side: int, window: int) -> Tensor:
    """The inverse of `cut` for a square map: (B, side, side, C)."""
    per_side = side // window
    tiles = windows.reshape(-1, per_side, per_side, window, window, windows.shape[-1])
    return tiles.transpose(2, 3).reshape(-1, side, side, windows.shape[-1])


def relative_positions(window: int) -> Tensor:
    """(T, T) rows of the bias table: (dy + w - 1) * (2 * w - 1) + dx + w - 1, query minus key position."""
    axis = torch.arange(window)
    y, x = axis.repeat_interleave(window), axis.repeat(window)
    rows, columns = (grid[:, None] - grid[None] + window - 1 for grid in (y, x))
    return rows * (2 * window - 1) + columns


def shift_mask(side: int, window: int, shift: int, device: torch.device) -> Tensor:
    """(windows, T, T): -100 between pixels that only the roll made neighbours, else 0 (Swin, Sec. 3.2)."""
    band = torch.zeros(side, device=device)
    band[-window:] = 1
    band[-shift:] = 2
    regions = cut((3 * band[:, None] + band)[None, :, :, None], window)[..., 0]
    return (regions[:, None] != regions[:, :, None]) * -100.0
