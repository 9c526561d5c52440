"""Eyes: sclera, iris with fibres, pupil, lids, and the catch-light that goes on after the shading."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.data.portraits.canvas import (
    Array,
    Canvas,
    Part,
    Streams,
    Window,
    blend,
    clamp,
    linear,
    norm,
    ripple,
    smoothstep,
)
from bench.data.portraits.head import EYE_Y, Face, Head
from bench.data.portraits.light import Light
from bench.data.portraits.skin import Paint

IRIS_RADIUS = 0.052
IRISES = np.stack(
    [
        linear(62, 38, 22),
        linear(96, 60, 32),
        linear(118, 98, 52),
        linear(88, 116, 84),
        linear(92, 128, 160),
        linear(120, 140, 150),
    ]
)


@dataclass(frozen=True)
class Gaze:
    """Where the eyes look (shift of the iris) and how they are coloured."""

    dx: float
    dy: float
    colour: Array
    heart: Array
    pupil: float


def draw_gaze(streams: Streams, face: Face) -> Gaze:
    """Random eyes; light irises are rarer with dark skin."""
    rng = streams.part(Part.EYES)
    dx, dy, pick, hue, pupil = rng.random(5)
    place = pick * (len(IRISES) - 1) * (1.0 if face.skin < 0.5 else 0.3)
    colour = np.array([np.interp(place, np.arange(len(IRISES)), IRISES[:, c]) for c in range(3)])
    return Gaze(
        dx=float((dx - 0.5) * 0.05),
        dy=float((dy - 0.5) * 0.012),
        colour=colour * (0.9 + 0.4 * hue),
        heart=colour * np.array([1.8, 1.3, 0.7]),
        pupil=float(0.34 + 0.16 * pupil),
    )


@dataclass(frozen=True)
class Eye:
    """One eye in its window: u along the slit (-1 to 1 between the corners, outwards positive), v down."""

    window: Window
    u: Array
    v: Array
    upper: Array
    lower: Array
    scale: float
    side: float


def open_eye(canvas: Canvas, head: Head, side: float) -> Eye:
    """Coordinates and lids of the eye on `side` (-1 left, 1 right in the image)."""
    face = head.outline.face
    cx, half = side * face.eye_gap, face.eye_width
    window = canvas.window(*head.outline.locate(cx, EYE_Y), 0.23, 0.17)
    x, y = (head.x[window] - cx) * side, head.y[window] - EYE_Y
    u = x / half
    v = (y + face.eye_slant * x) / half
    upper, lower = lids(face, clamp(u, -1.0, 1.0))
    return Eye(window, u, v, upper, lower, half, side)


def lids(face: Face, u: Array) -> tuple[Array, Array]:
    """v of the upper and lower lid at `u`; the upper lid peaks towards the nose."""
    bow = np.maximum(0.0, 1.0 - np.abs(u) ** 2.2)
    upper = -0.60 * face.eye_open * bow * (1.0 - 0.18 * u)
    lower = 0.36 * (0.55 + 0.45 * face.eye_open) * bow * (1.0 + 0.16 * u)
    return upper, lower


def paint_eye(streams: Streams, canvas: Canvas, face: Face, gaze: Gaze, eye: Eye, paint: Paint) -> None:
    """Lay one eye and its lids on the skin."""
    albedo = paint.albedo[(slice(None), *eye.window)]
    opening = np.minimum(eye.v - eye.upper, eye.lower - eye.v)
    inside = canvas.cover(opening * eye.scale) * (np.abs(eye.u) < 1.02)
    _paint_lids(canvas, face, eye, albedo)
    ball = _eyeball(streams, canvas, eye, gaze)
    below_lid = smoothstep(0.0, 0.34, eye.v - eye.upper)
    ball *= 0.42 + 0.58 * below_lid
    blend(albedo, ball, inside)
    paint.gloss[eye.window] *= 1.0 - 0.6 * inside
    paint.occlusion[eye.window] += inside * (0.92 - paint.occlusion[eye.window])


def _paint_lids(canvas: Canvas, face: Face, eye: Eye, albedo: Array) -> None:
    width = canvas.pixel / eye.scale
    span = smoothstep(1.25, 0.85, np.abs(eye.u))
    crease = np.abs(eye.v - 1.25 * eye.upper + 0.20)
    fold = np.maximum(0.0, 1.0 - crease / max(0.10, width)) * span
    albedo *= 1.0 - 0.42 * fold
    lash = np.maximum(0.0, 1.0 - np.abs(eye.v - eye.upper + 0.02) / max(0.105, 0.9 * width))
    liner = 0.78 + 0.2 * (1.0 - face.masculine)
    albedo *= 1.0 - liner * lash * smoothstep(1.12, 0.95, np.abs(eye.u)) * (0.75 + 0.25 * clamp(eye.u, -1, 1))
    rim = np.maximum(0.0, 1.0 - np.abs(eye.v - eye.lower - 0.02) / max(0.075, 0.8 * width))
    albedo *= 1.0 - 0.38 * rim * smoothstep(1.1, 0.9, np.abs(eye.u))


def _eyeball(streams: Streams, canvas: Canvas, eye: Eye, gaze: Gaze) -> Array:
    white = linear(214, 206, 200)[:, None, None] * (1.0 - 0.22 * clamp(np.abs(eye.u), 0, 1) ** 2)
    white = white * np.ones_like(eye.u)
    corner = smoothstep(-0.72, -1.0, eye.u)
    blend(white, linear(196, 120, 108), 0.8 * corner)
    dx = (eye.u * eye.scale - eye.side * gaze.dx) / IRIS_RADIUS
    dy = (eye.v * eye.scale - gaze.dy + 0.006) / IRIS_RADIUS
    away, angle = norm(dx, dy), np.arctan2(dy, dx)
    fibres = _fibres(streams, canvas, away, angle, eye.side)
    heart = smoothstep(0.75, 0.35, away)
    colour = gaze.colour[:, None, None] * (1.0 - heart) + gaze.heart[:, None, None] * heart
    colour = colour * fibres * (1.0 + 0.5 * clamp(dy, -1.0, 1.0)) * (1.0 - 0.75 * smoothstep(0.78, 1.02, away))
    blend(white, colour, canvas.cover((1.0 - away) * IRIS_RADIUS))
    blend(white, linear(8, 6, 6), canvas.cover((gaze.pupil - away) * IRIS_RADIUS))
    return white


def _fibres(streams: Streams, canvas: Canvas, away: Array, angle: Array, side: float) -> Array:
    rng = streams.part(Part.IRIS, int(side > 0))
    phase, weight = rng.random(12), rng.normal(0.0, 1.0, 12)
    turns = angle / (2.0 * np.pi)
    total = np.ones_like(away)
    for k, waves in enumerate((5, 9, 13, 19, 27, 37, 45, 53, 61, 71, 83, 97)):
        fade = canvas.resolves(2.0 * np.pi * IRIS_RADIUS * 0.7 / waves * 2.0)
        if fade > 0:
            total += 0.24 * fade * weight[k] * ripple(waves * turns + phase[k] + (phase[k] - 0.5) * away)
    return clamp(total, 0.25, 2.2)


def add_catchlight(canvas: Canvas, gaze: Gaze, light: Light, eye: Eye, image: Array) -> None:
    """The lamp's reflection on the cornea, and a faint one of the surround."""
    x = eye.u * eye.scale * eye.side - gaze.dx
    y = eye.v * eye.scale - gaze.dy
    inside = canvas.cover(np.minimum(eye.v - eye.upper, eye.lower - eye.v) * eye.scale)
    spot = norm(x - 0.030 * light.key[0], y - 0.034 * light.key[1])
    faint = norm(x + 0.026 * light.key[0], y - 0.022)
    glow = 1.5 * canvas.cover(0.0135 - spot) + 0.16 * canvas.cover(0.012 - faint)
    image[(slice(None), *eye.window)] += (inside * glow)[None] * (0.4 + 0.5 * light.key_colour[:, None, None])
