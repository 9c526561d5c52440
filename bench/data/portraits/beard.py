"""Short hair of the face: brows, lashes, beard and moustache."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.data.portraits.canvas import Array, Canvas, Part, Streams, blend, clamp, smoothstep
from bench.data.portraits.eyes import lids
from bench.data.portraits.hairdo import Hairdo
from bench.data.portraits.head import EYE_Y, Face, Outline
from bench.data.portraits.light import Light
from bench.data.portraits.strands import Curves, samples_for, splat

Growth = Literal["none", "stubble", "moustache", "goatee", "full"]


@dataclass(frozen=True)
class Beard:
    """Facial hair: where it grows and how long it is (plane units)."""

    growth: Growth
    length: float


def draw_beard(streams: Streams, face: Face) -> Beard:
    """A random beard; none on feminine faces."""
    pick, length = streams.part(Part.BEARD).random(2)
    if face.masculine < 0.6 or pick < 0.45:
        return Beard("none", 0.0)
    kinds: tuple[tuple[float, Growth, float], ...] = (
        (0.65, "stubble", 0.022),
        (0.73, "moustache", 0.06),
        (0.83, "goatee", 0.07),
        (1.01, "full", 0.09),
    )
    growth, base = next((kind, base) for limit, kind, base in kinds if pick < limit)
    return Beard(growth, float(base * (0.8 + 0.7 * length)))


def lay_brows(streams: Streams, canvas: Canvas, outline: Outline, do: Hairdo, image: Array) -> None:
    """Brows and lashes, darker than the hair."""
    face = outline.face
    window = canvas.window(0.0, -0.18, 0.62, 0.26)
    canvas, image = canvas.crop(window), image[(slice(None), *window)]
    ink = _brows(streams, canvas, outline)
    colour = 0.55 * do.colour * min(1.0, 0.16 / float(do.colour.max())) + 0.002
    blend(image, colour, 1.0 - np.exp(-(0.9 + 0.5 * face.masculine) * ink))
    blend(image, 0.15 * colour, 1.0 - np.exp(-2.0 * _lashes(streams, canvas, outline)))


def _ink(canvas: Canvas, curves: Curves, width: Array) -> Array:
    length = curves.steps()
    layers = np.zeros(len(curves.x), dtype=np.intp)
    return np.asarray(splat(canvas, curves, layers, 1, [width * length / canvas.pixel**2])[0, 0])


def _brows(streams: Streams, canvas: Canvas, outline: Outline) -> Array:
    face, rng = outline.face, streams.part(Part.BROWS)
    bushy, u = 0.7 + 0.6 * rng.random(), rng.random((340, 4))
    side = np.repeat([-1.0, 1.0], 170)[:, None]
    along = u[:, :1]
    s = np.linspace(0.0, 1.0, samples_for(canvas, 0.08))[None, :]
    height = 0.028 * bushy * (1.0 - 0.75 * along) * (u[:, 1:2] - 0.5) * 2.0
    x = face.eye_gap - 0.135 + 0.275 * along
    arch = face.brow_arch * np.sin(np.pi * clamp(along * 0.85 + 0.02, 0, 1)) * 1.6 - 0.035 * along**3
    reach = 0.030 + 0.035 * u[:, 2:3]
    lift = (1.0 - 1.6 * along) * 0.55 + 0.25 * (u[:, 3:4] - 0.5)
    x = x + s * reach * (0.45 + 0.55 * along)
    y = face.brow_y - arch + height - s * reach * lift
    px, py = outline.project(side * x, y)
    return _ink(canvas, Curves(px, py), 0.0065 * bushy * np.ones_like(px))


def _lashes(streams: Streams, canvas: Canvas, outline: Outline) -> Array:
    face = outline.face
    u = streams.part(Part.LASHES).random((88, 2))
    side = np.repeat([-1.0, 1.0], 44)[:, None]
    slit = np.tile(np.linspace(-0.85, 1.0, 44), 2)[:, None] + 0.05 * (u[:, :1] - 0.5)
    upper, _ = lids(face, clamp(slit, -1.0, 1.0))
    s = np.linspace(0.0, 1.0, samples_for(canvas, 0.06))[None, :]
    reach = (0.022 + 0.016 * u[:, 1:2]) * (1.25 - 0.55 * face.masculine) * (0.8 + 0.3 * slit)
    x = slit * face.eye_width + s * reach * (0.25 + 0.75 * slit)
    y = upper * face.eye_width - face.eye_slant * x + EYE_Y - reach * (0.15 * s + 0.75 * s * s)
    px, py = outline.project(side * (x + face.eye_gap), y)
    return _ink(canvas, Curves(px, py), 0.006 * (1.1 - s) * np.ones_like(px))


def lay_beard(
    streams: Streams, canvas: Canvas, outline: Outline, do: Hairdo, beard: Beard, light: Light, image: Array
) -> None:
    """Strands over jaw, chin and upper lip, lit from the key's side."""
    if beard.growth == "none":
        return
    face = outline.face
    count = int(np.clip(16 * canvas.n, 1200, 9000))
    u = streams.part(Part.BEARD, 1).random((count, 6))
    x = (u[:, 0] - 0.5) * 2.0 * face.width
    y = 0.05 + (face.chin + 0.01 - 0.05) * u[:, 1]
    density = _density(face, beard.growth, x, y)
    x, y, density, u = x[density > 0.02], y[density > 0.02], density[density > 0.02], u[density > 0.02]
    s = np.linspace(0.0, 1.0, samples_for(canvas, beard.length))[None, :]
    reach = beard.length * (0.5 + u[:, 2:3])
    fan = x[:, None] * 1.3 + 0.5 * (u[:, 3:4] - 0.5) + 0.5 * np.sin(23.0 * x + 17.0 * y)[:, None] * 0.6
    hx = x[:, None] + s * reach * fan
    px, py = outline.project(hx, y[:, None] * np.ones_like(s))
    px, py = px, py + s * reach * 0.85
    curves = Curves(px, py)
    tone = (0.35 + 0.65 * clamp(0.6 + light.key[0] * x / face.width, 0, 1.2)) * np.exp(1.6 * (u[:, 4] - 0.5))
    tone[u[:, 5] > 0.93] *= 2.2
    width = 0.0042 * 3000.0 / count * density[:, None] * np.ones_like(px)
    ink = width * curves.steps() / canvas.pixel**2
    sheet = splat(canvas, curves, np.zeros(len(x), dtype=np.intp), 1, [ink, ink * tone[:, None]])[:, 0]
    shade = sheet[1] / (sheet[0] + 1e-9)
    colour = 0.8 * do.colour[:, None, None] * shade * (0.7 * light.key_colour + light.fill_colour)[:, None, None]
    blend(image, colour, (1.0 - np.exp(-sheet[0])) * (0.6 if beard.growth == "stubble" else 0.95))


def _density(face: Face, growth: Growth, x: Array, y: Array) -> Array:
    side, mouth = np.abs(x), face.mouth_y
    lips = np.hypot(x / (face.mouth_width + 0.015), (y - mouth - 0.01) / (0.062 + 0.05 * face.mouth_open))
    off_lips = smoothstep(0.85, 1.1, lips)
    moustache = smoothstep(face.mouth_width + 0.05, face.mouth_width - 0.04, side)
    moustache = moustache * smoothstep(mouth - 0.10, mouth - 0.075, y) * smoothstep(mouth + 0.02, mouth - 0.02, y)
    chin = smoothstep(0.17, 0.11, side) * smoothstep(mouth + 0.0, mouth + 0.06, y)
    edge = mouth - 0.03 - 1.4 * np.maximum(0.0, side - 0.20) + 0.02 * np.sin(31.0 * x)
    jaw = smoothstep(0.0, 0.06, y - edge)
    if growth == "moustache":
        return np.asarray(1.3 * moustache * off_lips)
    if growth == "goatee":
        return np.asarray(np.maximum(moustache, chin) * off_lips)
    full = np.maximum(moustache, jaw) * off_lips
    return np.asarray(full * (0.45 if growth == "stubble" else 1.0))
