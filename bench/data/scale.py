"""How many times larger ground truth is than its degraded image."""

from __future__ import annotations

from typing import TypeAlias

from bench.errors import DataError

Sides: TypeAlias = tuple[int, int]
"""In pixels, the shorter one first."""


def find_scale(gt: Sides, lq: Sides, size: int | None, name: object) -> int:
    """The scale of a pair, by its shorter sides. Raises DataError if crops of `size` pixels are no multiple of it."""
    scale = max(1, gt[0] // lq[0])
    if size is not None and size % scale:
        raise DataError(f"size {size} is no multiple of {scale}, the scale of {name}")
    return scale


def check_scale(gt: Sides, lq: Sides, scale: int, name: object) -> None:
    """Raises DataError if the pair has another scale."""
    if gt != (lq[0] * scale, lq[1] * scale):
        raise DataError(f"{name}: its sides {gt} are not {scale} times lq's {lq}; crop or replace it")


def check_size(sides: Sides, size: int | None, name: object) -> None:
    """Raises DataError if no square of `size` pixels can be cut."""
    if size is not None and sides[0] < size:
        raise DataError(f"{name}: its shorter side, {sides[0]} pixels, is below size {size}")
