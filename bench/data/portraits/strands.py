"""Thin curves drawn all at once: every sample of every curve is spread over its four nearest pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bench.data.portraits.canvas import Array, Canvas, clamp, norm


@dataclass(frozen=True)
class Curves:
    """`count` curves of `samples` points: x, y (count, samples) in plane units."""

    x: Array
    y: Array

    def steps(self) -> Array:
        """Length of each sample's piece (count, samples)."""
        length = np.empty_like(self.x)
        length[:, 1:] = norm(self.x[:, 1:] - self.x[:, :-1], self.y[:, 1:] - self.y[:, :-1])
        length[:, 0] = length[:, 1]
        return length

    def tangents(self) -> tuple[Array, Array, Array]:
        """Unit direction (tx, ty) and the length of each sample's piece, all (count, samples)."""
        dx, dy = np.gradient(self.x, axis=1), np.gradient(self.y, axis=1)
        length = norm(dx, dy) + 1e-9
        return dx / length, dy / length, length


def samples_for(canvas: Canvas, length: float) -> int:
    """Samples that leave no gap along a curve of `length`."""
    return int(np.clip(np.ceil(length / (1.7 * canvas.pixel)), 4, 1024))


def splat(canvas: Canvas, curves: Curves, layers: NDArray[np.intp], depth: int, values: list[Array]) -> Array:
    """Sums of `values`, each (count, samples), around each pixel: (len(values), depth, height, width).

    `layers` (count,) says which of the `depth` sheets a curve is drawn on.
    """
    # One sample of margin on each side catches what falls outside; it is cut off below.
    width, height = canvas.width + 3, canvas.height + 3
    scale = 1.0 / canvas.pixel
    px = clamp(curves.x * scale + (scale + 0.5 - canvas.left), 0.0, canvas.width + 1.0)
    py = clamp(curves.y * scale + (scale + 0.5 - canvas.top), 0.0, canvas.height + 1.0)
    ix, iy = px.astype(np.intp), py.astype(np.intp)
    fx, fy = px - ix, py - iy
    cell = layers[:, None] * (width * height) + iy * width + ix
    both = fx * fy
    corners = ((0, 1.0 - fx - fy + both), (1, fx - both), (width, fy - both), (width + 1, both))
    sheets = np.zeros((len(values), depth * height * width))
    for step, share in corners:
        cells = (cell + step).ravel()
        for sheet, value in zip(sheets, values, strict=True):
            sheet += np.bincount(cells, (share * value).ravel(), minlength=len(sheet))
    return sheets.reshape(-1, depth, height, width)[:, :, 1 : canvas.height + 1, 1 : canvas.width + 1]
