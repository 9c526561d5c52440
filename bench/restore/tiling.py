"""Images of any size through networks that take one size, or little at a time: overlapping tiles, blended smoothly."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Network = Callable[[Tensor], Tensor]
OnTile = Callable[[int, int], None]


@dataclass(frozen=True)
class Tiling:
    """Tiles of at most `side` pixels of lq, of which neighbours share at least `overlap`, half a tile at most."""

    side: int
    overlap: int

    def starts(self, length: int) -> list[int]:
        """Where tiles begin along an axis of `length` pixels: evenly spread, the first at 0, the last at the end."""
        if length <= self.side:
            return [0]
        count = math.ceil((length - self.overlap) / (self.side - self.overlap))
        return [round(index * (length - self.side) / (count - 1)) for index in range(count)]


def restore_tiled(network: Network, lq: Tensor, channels: int, scale: int, tiling: Tiling, tell: OnTile) -> Tensor:
    """(1, channels, h * scale, w * scale) on the CPU from lq (1, 3, h, w), tile by tile; `tell(done, total)` after each.

    Neighbours fade into each other along half a cosine. The outer quarter of an overlap counts for nothing: a network that
    looks no further than that, and does the same everywhere, gives what it would give for the whole image.
    """
    height, width = lq.shape[-2:]
    total = torch.zeros(1, channels, height * scale, width * scale)
    weights = torch.zeros(1, 1, height * scale, width * scale)
    boxes = [(top, left) for top in tiling.starts(height) for left in tiling.starts(width)]
    for done, (top, left) in enumerate(boxes, 1):
        tile = network(lq[..., top : top + tiling.side, left : left + tiling.side]).float().cpu()
        rows, columns = _span(top, tiling.side, height, scale), _span(left, tiling.side, width, scale)
        down, across = (_weight(span, tiling.overlap * scale, length * scale) for span, length in
                        ((rows, height), (columns, width)))  # fmt: skip
        weight = down[:, None] * across
        total[..., rows, columns] += weight * tile
        weights[..., rows, columns] += weight
        tell(done, len(boxes))
    return total / weights


def _span(start: int, side: int, length: int, scale: int) -> slice:
    return slice(start * scale, min(start + side, length) * scale)


def _weight(span: slice, overlap: int, length: int) -> Tensor:
    """How much each pixel of a tile counts along one axis: 1, fading to 0 where another tile overlaps."""
    weight = torch.ones(span.stop - span.start)
    quarter = overlap // 4
    steps = (torch.arange(overlap) - quarter + 0.5) / max(overlap - 2 * quarter, 1)
    fade = (1 - torch.cos(math.pi * steps.clamp(0, 1))) / 2
    if span.start > 0:
        weight[:overlap] *= fade
    if span.stop < length:
        weight[len(weight) - overlap :] *= fade.flip(0)
    return weight


def mirror_out(lq: Tensor, height: int, width: int) -> Tensor:
    """`lq` (1, 3, h, w) continued at the bottom and the right, mirrored at its border, to at least these sides."""
    rows, columns = _mirrored(lq.shape[-2], height), _mirrored(lq.shape[-1], width)
    return lq[..., rows, :][..., columns]


def _mirrored(length: int, wanted: int) -> Tensor:
    """0, 1, ..., length - 1, length - 2, ..., 0, 1, ...: `wanted` indices, or `length` where that is more."""
    period = max(2 * (length - 1), 1)
    phase = torch.arange(max(length, wanted)) % period
    return torch.minimum(phase, period - phase).clamp(max=length - 1)
