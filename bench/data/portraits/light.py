"""Light: one key, a coloured surround, sometimes a rim; and the shading of skin and cloth under it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.data.portraits.canvas import Array, Part, Streams, clamp


@dataclass(frozen=True)
class Light:
    """`key`: unit vector to the lamp (y down, z to the viewer); colours are linear and carry the strength."""

    key: Array
    key_colour: Array
    fill_colour: Array
    rim_colour: Array
    rim_side: float


def draw_light(streams: Streams) -> Light:
    """A lamp in front, above and to one side."""
    rng = streams.part(Part.LIGHT)
    azimuth, elevation = rng.uniform(-1.05, 1.05), rng.uniform(0.15, 0.85)
    key = np.array([np.sin(azimuth) * np.cos(elevation), -np.sin(elevation), np.cos(azimuth) * np.cos(elevation)])
    warmth = rng.normal(0.0, 0.10)
    tint = rng.normal(0.0, 0.08, 3)
    return Light(
        key=key,
        key_colour=rng.uniform(1.05, 1.4) * np.array([1.0 + warmth, 1.0, 1.0 - warmth]),
        fill_colour=rng.uniform(0.24, 0.46) * (np.array([1.0 - warmth, 1.0, 1.0 + warmth]) + tint),
        rim_colour=max(0.0, rng.uniform(-0.6, 0.9)) * (1.0 + rng.normal(0.0, 0.2, 3)),
        rim_side=float(np.sign(rng.normal() - azimuth)),
    )


def shade_skin(light: Light, normal: Array, albedo: Array, occlusion: Array, gloss: Array) -> Array:
    """Colour (3, h, w) of skin: red reaches farther past the terminator than blue; a soft sheen on top."""
    lambert = _along(light.key, normal)
    wraps = (0.38, 0.22, 0.16)
    shaded = np.empty_like(albedo)
    up = 0.75 - 0.35 * normal[1]
    rim = clamp(light.rim_side * normal[0] - 0.62, 0.0, 1.0) * 2.0
    sheen = _sheen(light, normal) * gloss
    for c, wrap in enumerate(wraps):
        diffuse = np.maximum(lambert + wrap, 0.0) / (1.0 + wrap)
        lit = light.key_colour[c] * diffuse * (0.45 + 0.55 * occlusion) + light.fill_colour[c] * up * occlusion
        shaded[c] = albedo[c] * (lit + light.rim_colour[c] * rim) + light.key_colour[c] * sheen
    return shaded


def _along(direction: Array, normal: Array) -> Array:
    return np.asarray(direction[0] * normal[0] + direction[1] * normal[1] + direction[2] * normal[2])


def _sheen(light: Light, normal: Array) -> Array:
    half = light.key + np.array([0.0, 0.0, 1.0])
    half /= np.linalg.norm(half)
    aligned = np.maximum(_along(half, normal), 0.0)
    broad = aligned * aligned
    broad *= broad
    broad *= broad
    sharp = broad * broad
    return np.asarray(0.045 * broad + 0.20 * sharp * sharp)


def shade_matte(light: Light, normal: Array) -> Array:
    """Light (3, h, w) that a matte surface such as cloth receives."""
    diffuse = np.maximum(_along(light.key, normal) + 0.15, 0.0) / 1.15
    up = 0.75 - 0.35 * normal[1]
    return np.asarray(light.key_colour[:, None, None] * diffuse + light.fill_colour[:, None, None] * up)
