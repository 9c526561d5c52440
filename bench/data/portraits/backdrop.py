"""What is behind the person: soft colours out of focus, sometimes discs of light."""

from __future__ import annotations

import numpy as np

from bench.data.portraits.canvas import Array, Canvas, Part, Streams, clamp, lattice_noise, norm


def paint_backdrop(streams: Streams, canvas: Canvas) -> Array:
    """Linear image (3, n, n)."""
    rng = streams.part(Part.BACKDROP)
    base, accent = _wall(rng), _wall(rng)
    clouds = lattice_noise(streams.part(Part.BACKDROP, 1), 3, canvas)
    share = 1.0 / (1.0 + np.exp(-2.5 * clouds))
    _, y = canvas.axes()
    image = base[:, None, None] + (accent - base)[:, None, None] * share
    image = image * (1.0 - rng.uniform(-0.25, 0.35) * y)
    if rng.random() < 0.45:
        _add_discs(rng, canvas, image)
    return np.maximum(image, 0.003)


def _wall(rng: np.random.Generator) -> Array:
    hue, chroma, value = rng.random(), rng.random() ** 1.3, rng.random() ** 1.5
    wheel = 0.5 + 0.5 * np.cos(2.0 * np.pi * (hue - np.array([0.0, 1.0, 2.0]) / 3.0))
    return np.asarray((0.02 + 0.7 * value) * (1.0 - 0.8 * chroma * (1.0 - wheel)))


def _add_discs(rng: np.random.Generator, canvas: Canvas, image: Array) -> None:
    x, y = canvas.axes()
    for px, py, radius, strength, hue in rng.random((9, 5)):
        r, cx, cy = 0.05 + 0.13 * radius, 2.2 * px - 1.1, 1.6 * py - 1.1
        rows, columns = canvas.window(cx, cy, 1.3 * r, 1.3 * r)
        away = norm(x[:, columns] - cx, y[rows] - cy)
        disc = clamp((r - away) / 0.05 + 0.5, 0.0, 1.0)
        tint = 0.6 + 0.4 * np.cos(2.0 * np.pi * (hue * 0.3 - np.array([0.0, 0.1, 0.25])))
        image[:, rows, columns] += 0.5 * strength * tint[:, None, None] * disc
