"""Spectacles: frames, bridge, temples and the glint of the lenses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.data.portraits.canvas import Array, Canvas, Part, Streams, blend, clamp, linear, smoothstep
from bench.data.portraits.head import EYE_Y, Face, Head
from bench.data.portraits.light import Light


@dataclass(frozen=True)
class Glasses:
    """`half_width`, `half_height` of a lens, `power` of its outline (2 round, 6 square), rim `thickness`."""

    half_width: float
    half_height: float
    power: float
    thickness: float
    colour: Array


def draw_glasses(streams: Streams, face: Face) -> Glasses | None:
    """Random spectacles, or None for most people."""
    rng = streams.part(Part.GLASSES)
    wears, width, height, power, thick, colour = rng.random(6)
    if wears > 0.16 + 0.2 * face.age:
        return None
    frames = np.stack([linear(18, 16, 16), linear(70, 40, 24), linear(150, 128, 80), linear(40, 48, 72)])
    return Glasses(
        half_width=0.155 + 0.025 * width,
        half_height=0.115 + 0.035 * height,
        power=2.0 + 3.0 * power,
        thickness=0.008 + 0.014 * thick,
        colour=frames[int(colour * 4)],
    )


def lay_glasses(canvas: Canvas, head: Head, wear: Glasses, light: Light, image: Array) -> None:
    """Spectacles over the finished face; they stand off the skin, hence a shift with the head's turn."""
    outline = head.outline
    window = canvas.window(*outline.locate(0.0, EYE_Y + 0.02), 0.70, 0.26)
    view = image[(slice(None), *window)]
    x = head.x[window] - 0.06 * np.sin(outline.pose.yaw)
    y = head.y[window] - EYE_Y - 0.025
    centre = outline.face.eye_gap + 0.012
    away = np.abs(x)
    dx, dy = np.abs(away - centre) / wear.half_width, np.abs(y) / wear.half_height
    radius = (dx**wear.power + dy**wear.power) ** (1.0 / wear.power)
    inner = (1.0 - radius) * wear.half_height
    half = max(0.5 * wear.thickness, 0.32 * canvas.pixel)
    rim = canvas.cover(half - np.abs(inner))
    bridge = canvas.cover(half - np.abs(y + 0.03 + 0.6 * x * x)) * (away < centre - 0.9 * wear.half_width)
    temple = canvas.cover(half - np.abs(y + 0.035)) * (away > centre + 0.95 * wear.half_width)
    frame = np.maximum(np.maximum(rim, bridge), temple) * head.mask[window]
    shadow = clamp(1.0 - np.abs(inner - 0.03) / 0.035, 0.0, 1.0) * (y > 0)
    view *= 1.0 - 0.22 * shadow * head.mask[window]
    glint = smoothstep(0.03, 0.0, np.abs(x - np.sign(x) * centre + 0.7 * y - 0.05 * light.key[0])) * canvas.cover(inner)
    view += 0.10 * glint * light.key_colour[:, None, None]
    shine = 0.5 + 1.2 * smoothstep(0.25, -0.2, y / wear.half_height + 0.5)
    blend(view, wear.colour[:, None, None] * shine * (0.4 + 0.6 * light.key_colour[:, None, None]), frame)
