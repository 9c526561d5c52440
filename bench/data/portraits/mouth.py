"""Lips, teeth and the dark between them."""

from __future__ import annotations

import numpy as np

from bench.data.portraits.canvas import Array, Canvas, Part, Streams, blend, clamp, linear, ripple, smoothstep
from bench.data.portraits.head import Face, Head
from bench.data.portraits.skin import Paint


def paint_mouth(streams: Streams, canvas: Canvas, head: Head, paint: Paint) -> None:
    """Lay the mouth on the skin."""
    face = head.outline.face
    window = canvas.window(*head.outline.locate(0.0, face.mouth_y), 0.34, 0.20)
    u = (head.x[window] - 0.02 * head.outline.pose.yaw) / face.mouth_width
    y = head.y[window] - face.mouth_y
    albedo, gloss = paint.albedo[(slice(None), *window)], paint.gloss[window]
    inside = clamp(1.0 - u * u, 0.0, 1.0)
    line = -0.085 * face.smile * (u * u - 0.35) + 0.006 * ripple(1.5 * u + 0.25) * inside
    gap = 0.052 * face.mouth_open * inside**0.7
    top, bottom = line - 0.6 * gap, line + 1.4 * gap
    bow = inside**0.75 * (1.0 - 0.26 * np.exp(-((u / 0.16) ** 2)) + 0.10 * np.exp(-(((np.abs(u) - 0.3) / 0.2) ** 2)))
    upper = canvas.cover(np.minimum(y - top + face.lip_upper * bow, top - y))
    lower = canvas.cover(np.minimum(y - bottom, bottom + face.lip_lower * inside**0.62 - y))
    colour, ridges = _lip_colour(streams, face), _ridges(streams, canvas, u, y)
    blend(albedo, colour[:, None, None] * 0.82 * ridges, 0.88 * upper)
    blend(albedo, colour[:, None, None] * 1.08 * ridges, 0.85 * lower)
    gloss += (upper + 2.2 * lower) * 0.9 * ridges
    if face.mouth_open > 0.03:
        hollow = canvas.cover(np.minimum(y - top, bottom - y)) * (np.abs(u) < 1.0)
        blend(albedo, _teeth(canvas, face, u, y - top, gap), hollow)
        gloss *= 1.0 - hollow
        paint.occlusion[window] += hollow * (0.85 - paint.occlusion[window])
    width = max(0.0085, 0.8 * canvas.pixel)
    seam = np.maximum(0.0, 1.0 - np.abs(y - top) / width) * smoothstep(1.10, 0.92, np.abs(u))
    albedo *= 1.0 - (0.72 if face.mouth_open <= 0.03 else 0.4) * seam


def _lip_colour(streams: Streams, face: Face) -> Array:
    rng = streams.part(Part.MOUTH)
    rouge = max(0.0, rng.random() - 0.45) * 1.6 * (1.0 - face.masculine)
    bare = linear(188, 112, 102) * (1.0 - face.skin) + linear(112, 62, 56) * face.skin
    paint = np.stack([linear(170, 30, 44), linear(190, 72, 84), linear(128, 26, 58)])[int(rng.integers(3))]
    return np.asarray(bare + min(rouge, 0.85) * (paint - bare))


def _ridges(streams: Streams, canvas: Canvas, u: Array, y: Array) -> Array:
    """Fine vertical folds of the lips."""
    rng = streams.part(Part.MOUTH, 1)
    phase = rng.random(6)
    folds = np.zeros_like(u)
    for k, waves in enumerate((17.0, 23.0, 31.0, 43.0, 57.0, 71.0)):
        fade = canvas.resolves(2.0 * np.pi * 0.17 / waves)
        if fade > 0:
            folds += fade * ripple((waves / (2.0 * np.pi)) * u * (1.0 + 2.0 * y) + phase[k])
    return np.asarray(1.0 + 0.07 * folds)


def _teeth(canvas: Canvas, face: Face, u: Array, below: Array, gap: Array) -> Array:
    """The open mouth (3, h, w): a row of teeth under the upper lip, dark red behind."""
    height = 0.050 * (1.0 - 0.35 * u * u)
    arc = u + 0.25 * u**3
    seams = 1.0 - 0.34 * canvas.resolves(0.06) * (np.abs(((arc * 5.0) % 1.0) - 0.5) > 0.43)
    lit = (0.35 + 0.65 * smoothstep(0.0, 0.014, below)) * (1.0 - 0.55 * u * u) * seams
    mouth = linear(58, 20, 20)[:, None, None] * np.ones_like(u)
    blend(mouth, linear(228, 220, 206)[:, None, None] * lit, canvas.cover(height - below))
    return mouth
