"""Skin before the light falls on it: albedo with blotches, pores, freckles and age; occlusion; gloss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import gaussian_filter

from bench.data.portraits.canvas import (
    Array,
    Canvas,
    Part,
    Streams,
    blend,
    bump,
    clamp,
    fractal_noise,
    linear,
    norm,
    ripple,
    smoothstep,
)
from bench.data.portraits.head import EYE_Y, Head
from bench.data.portraits.strands import Curves, splat

TONES = np.stack(
    [
        linear(240, 196, 172),
        linear(228, 178, 148),
        linear(208, 158, 126),
        linear(176, 123, 90),
        linear(134, 88, 61),
        linear(94, 60, 43),
    ]
)


OCTAVES = {12: 0.3, 28: 0.5, 60: 1.5, 120: 0.8, 240: 0.5, 480: 0.4}
"""Weights of skin noise: pores outweigh blotches."""


@dataclass
class Paint:
    """What the light will fall on: albedo (3, n, n) linear, occlusion (n, n) 1 = open, gloss (n, n)."""

    albedo: Array
    occlusion: Array
    gloss: Array


def skin_tone(streams: Streams, place: float) -> Array:
    """Linear albedo (3,) at `place` (0 light, 1 dark) on the scale of tones, with a personal hue."""
    position = place * (len(TONES) - 1)
    tone = np.array([np.interp(position, np.arange(len(TONES)), TONES[:, c]) for c in range(3)])
    rosy, sallow = streams.part(Part.SKIN).normal(0.0, 0.045, 2)
    return np.asarray(0.82 * tone * np.array([1.0 + rosy, 1.0 - 0.5 * rosy, 1.0 - sallow]))


def paint_skin(streams: Streams, canvas: Canvas, head: Head) -> Paint:
    """The bare face: no eyes and lips yet."""
    face = head.outline.face
    tone = skin_tone(streams, face.skin)
    grain = _grain(streams, canvas, head)
    red = _redness(streams, canvas, head)
    albedo = tone[:, None, None] * (1.0 + grain)
    albedo *= 1.0 + np.array([0.12, -0.13, -0.10])[:, None, None] * red
    paint = Paint(albedo, _occlusion(head), 1.0 + 2.5 * np.abs(grain))
    _freckles(streams, canvas, head, paint)
    _wrinkles(streams, canvas, head, paint)
    _nostrils(canvas, head, paint)
    return paint


def _grain(streams: Streams, canvas: Canvas, head: Head) -> Array:
    age, strength = head.outline.face.age, streams.part(Part.PORES, 99).uniform(0.028, 0.052)
    noise = fractal_noise(streams, Part.PORES, canvas, OCTAVES)
    return strength * (0.75 + 0.6 * age) * noise * smoothstep(1.0, 0.2, np.abs(head.x) / 0.6 - 0.35)


def _redness(streams: Streams, canvas: Canvas, head: Head) -> Array:
    flush = streams.part(Part.SKIN, 1).uniform(0.3, 1.1)
    x, y = np.abs(head.x), head.y
    nose = EYE_Y + head.outline.face.nose_length
    cheeks = bump(x - 0.28, y - 0.15, 0.24, 0.22) + 0.9 * bump(x, y - nose, 0.12, 0.10)
    return np.asarray(flush * cheeks)


def _occlusion(head: Head) -> Array:
    face, x, y = head.outline.face, np.abs(head.x), head.y
    nose, mouth = EYE_Y + face.nose_length, face.mouth_y
    dark = 0.40 * bump(x - face.eye_gap + 0.05, y - EYE_Y + 0.055, 0.15, 0.085)
    dark += 0.16 * bump(x - face.eye_gap + 0.04, y - EYE_Y - 0.085, 0.13, 0.060)
    dark += 0.45 * bump(x, y - nose - 0.060, 0.14, 0.045)
    dark += 0.26 * bump(x, y - mouth - 0.095, 0.15, 0.055)
    dark += 0.30 * bump(x - face.mouth_width, y - mouth, 0.06, 0.055)
    dark += 0.30 * bump(x - face.nose_width - 0.035, y - nose + 0.01, 0.035, 0.055)
    fold = np.abs(x - (face.nose_width + 0.02 + 0.34 * (y - nose) + 0.09 * np.sqrt(np.maximum(y - nose, 0.0))))
    along = smoothstep(nose - 0.03, nose + 0.04, y) * smoothstep(mouth + 0.06, mouth - 0.03, y)
    dark += (0.08 + 0.26 * face.age + 0.12 * max(face.smile, 0.0)) * along * np.maximum(0.0, 1.0 - fold / 0.028)
    return np.asarray(clamp(1.0 - dark, 0.15, 1.0))


def _freckles(streams: Streams, canvas: Canvas, head: Head, paint: Paint) -> None:
    rng = streams.part(Part.SKIN, 2)
    amount = rng.random() - 0.55 - 0.5 * head.outline.face.skin
    if amount <= 0:
        return
    x, y = rng.normal(0.0, 0.24, 420), rng.normal(0.08, 0.12, 420)
    size = rng.lognormal(0.0, 0.5, 420) * 0.00013
    px, py = head.outline.project(x, y)
    dots = Curves(px[:, None], py[:, None])
    # A freckle is about 0.02 wide: draw it no smaller than the grid holds, with the same ink.
    spread = splat(canvas, dots, np.zeros(420, dtype=np.intp), 1, [size[:, None] / canvas.pixel**2])[0, 0]
    ink = _widen(spread, 0.0065 / canvas.pixel)
    alpha = (1.0 - np.exp(-2.2 * ink)) * min(1.0, 0.35 + 2.0 * amount)
    blend(paint.albedo, paint.albedo * np.array([0.62, 0.45, 0.36])[:, None, None], alpha)


def _widen(sheet: Array, sigma: float) -> Array:
    return sheet if sigma < 0.8 else np.asarray(gaussian_filter(sheet, np.sqrt(sigma * sigma - 0.4)))


def _wrinkles(streams: Streams, canvas: Canvas, head: Head, paint: Paint) -> None:
    age = head.outline.face.age
    if age < 0.35:
        return
    rng = streams.part(Part.SKIN, 3)
    wave, height = rng.uniform(0.0, 6.0, 3), rng.normal(0.0, 0.008, 3)
    brow = canvas.window(*head.outline.locate(0.0, -0.38), 0.40, 0.16)
    x, y = head.x[brow], head.y[brow]
    for k in range(3):
        line = -0.315 - 0.062 * k + height[k] + 0.010 * ripple(1.4 * x + wave[k]) + 0.10 * x**2
        near = np.maximum(0.0, 1.0 - np.abs(y - line) / max(0.012, 1.2 * canvas.pixel))
        paint.occlusion[brow] *= 1.0 - 0.42 * (age - 0.3) * near * smoothstep(0.32, 0.12, np.abs(x))
    for side in (-1.0, 1.0):
        gap = head.outline.face.eye_gap + 0.10
        window = canvas.window(*head.outline.locate(side * (gap + 0.065), EYE_Y), 0.09, 0.10)
        foot_x, foot_y = side * head.x[window] - gap, head.y[window] - EYE_Y - 0.01
        fan = ripple(np.arctan2(foot_y, foot_x + 0.02) * 2.2 + wave[0]) ** 2
        paint.occlusion[window] *= 1.0 - 0.45 * age * fan * bump(foot_x - 0.065, foot_y, 0.07, 0.075)


def _nostrils(canvas: Canvas, head: Head, paint: Paint) -> None:
    face = head.outline.face
    tip = EYE_Y + face.nose_length
    for side in (-1.0, 1.0):
        cx, cy = side * face.nose_width * 0.52, tip + 0.040
        window = canvas.window(*head.outline.locate(cx, cy), 0.08, 0.06)
        dx = head.x[window] - cx - 0.04 * head.outline.pose.yaw
        dy = head.y[window] - cy + side * 0.25 * dx
        hole = smoothstep(1.25, 0.45, norm(dx / 0.030, dy / 0.0165))
        blend(paint.albedo[(slice(None), *window)], paint.albedo[(slice(None), *window)] * 0.22, 0.9 * hole)
        paint.gloss[window] *= 1.0 - hole
