"""One image through a restorer, whatever their sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.errors import BenchError, WeightsError
from bench.restore.restorer import Restorer
from bench.restore.tiling import OnTile, Tiling, mirror_out, restore_tiled

LEAST = 32
"""The least side of lq that any network is given, in pixels: HINet's deepest level needs more than 16."""
WHOLE_PIXELS, WHOLE_SIDE = 1 << 20, 2048
"""Restored pixels, and sides, up to which an image is restored whole by a network that takes any size."""
TILE = 512
"""Side of the tiles of a larger one, in restored pixels."""


@dataclass(frozen=True)
class Geometry:
    """How images meet networks; see `bench restore --help`. `tile` and `overlap` are in pixels of lq, None: chosen."""

    fit: Literal["tile", "resize"] = "tile"
    tile: int | None = None
    overlap: int | None = None

    def check(self, restorer: Restorer) -> None:
        """Raises BenchError where the restorer cannot have it."""
        if restorer.side is None and self.fit == "resize":
            raise BenchError(f"--fit resize: {restorer.label} takes images of any size; leave it out")
        if restorer.side is not None and self.tile not in (None, restorer.side):
            raise BenchError(f"--tile {self.tile}: {restorer.label} takes {restorer.side} x {restorer.side} px only")
        if self.tile is not None and self.tile < LEAST and restorer.side is None:
            raise BenchError(f"--tile {self.tile}: {LEAST} px at least")
        side = self.tile or restorer.side or self._chosen(restorer.scale)
        if self.overlap is not None and not 0 <= self.overlap <= side // 2:
            raise BenchError(f"--overlap {self.overlap}: from 0 to half a tile, {side // 2} px")

    def tiling(self, restorer: Restorer, height: int, width: int) -> Tiling:
        """The tiles for an image of this size; one that covers it where nothing asks for more."""
        side = self.tile or restorer.side
        if side is None:
            restored = height * width * restorer.scale**2
            if restored <= WHOLE_PIXELS and max(height, width) * restorer.scale <= WHOLE_SIDE:
                return Tiling(max(height, width), 0)
            side = self._chosen(restorer.scale)
        return self.of_side(side)

    def of_side(self, side: int) -> Tiling:
        """Tiles of this side; an eighth of it overlaps, 16 px at least, unless the user says otherwise."""
        return Tiling(side, min(side // 2, max(16, side // 8) if self.overlap is None else self.overlap))

    @staticmethod
    def _chosen(scale: int) -> int:
        return max(LEAST, TILE // scale)


def restore_image(
    restorer: Restorer, lq: Tensor, geometry: Geometry, device: torch.device, tell: OnTile
) -> list[Tensor]:
    """The restored image and the restorer's parts, each (3, H, W) on the CPU, of lq (3, h, w).

    An image smaller than the network takes is mirrored out and the restored one cropped. With `fit` `resize`, the longer
    side is brought to the network's (bicubic), else H = h * scale. Raises WeightsError on values that are not finite.
    """
    side = restorer.side
    if geometry.fit == "resize" and side is not None:
        lq = _longer_side(lq, side)
    height, width = lq.shape[-2:]
    grown = mirror_out(lq[None], side or LEAST, side or LEAST)
    restored = _restore(restorer, grown, geometry, device, tell)[
        0, :, : height * restorer.scale, : width * restorer.scale
    ]
    if not restored.isfinite().all():
        raise WeightsError(f"{restorer.label} made values that are not finite")
    return list(restored.split(3))


def _restore(restorer: Restorer, lq: Tensor, geometry: Geometry, device: torch.device, tell: OnTile) -> Tensor:
    """Where memory does not suffice and the network allows it, again with smaller tiles."""

    def network(tile: Tensor) -> Tensor:
        return cast(Tensor, restorer.network(tile.to(device)))

    tiling = geometry.tiling(restorer, *lq.shape[-2:])
    while True:
        try:
            return restore_tiled(network, lq, 3 * restorer.images, restorer.scale, tiling, tell)
        except torch.OutOfMemoryError:
            if restorer.side is not None or tiling.side // 2 < LEAST:
                raise
            tiling = geometry.of_side(tiling.side // 2)


def _longer_side(lq: Tensor, side: int) -> Tensor:
    """lq (3, h, w) with its longer side at `side` pixels, its shape kept."""
    factor = side / max(lq.shape[-2:])
    size = [max(1, round(length * factor)) for length in lq.shape[-2:]]
    return F.interpolate(lq[None], size=size, mode="bicubic", antialias=True, align_corners=False)[0].clamp(0, 1)
