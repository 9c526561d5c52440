"""Hair on the canvas: strands grown in the patches of a hairdo, lit as fibres, drawn in layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import uniform_filter

from bench.data.portraits.canvas import Array, Canvas, Part, Streams, clamp, ripple, smoothstep
from bench.data.portraits.hairdo import Hairdo, Patch
from bench.data.portraits.head import SKULL_Y, Face, Outline
from bench.data.portraits.light import Light
from bench.data.portraits.strands import Curves, samples_for, splat

LAYERS = 3
REACH_BACK = -0.3
STRIPS = 22
"""Wisps across a patch: each has a brightness of its own, so that strands show in small images too."""


def _table(guide: Array, beyond: Array, rows: int) -> tuple[Array, Array]:
    """x and y along a guide in `rows` steps from REACH_BACK to 1; before 0 it runs back along `beyond`."""
    t = np.linspace(REACH_BACK, 1.0, rows)
    knots = np.linspace(0.0, 1.0, len(guide))
    x, y = (np.where(t < 0.0, np.interp(-t, knots, beyond[:, c]), np.interp(t, knots, guide[:, c])) for c in (0, 1))
    return x, y


def _soften(q: Array) -> Array:
    """Let strands stand out past the guides a little, never far: the guides are wide apart at the parting."""
    inside = np.minimum(np.maximum(q, 0.0), 1.0)
    past = q - inside
    return np.asarray(inside + past / (1.0 + np.abs(past) * 6.0))


def strand_count(canvas: Canvas) -> int:
    """Strands of a patch of density 1: about as many as the canvas can tell apart. Fewer are wider."""
    return int(np.clip(1.45 * canvas.n * (canvas.n / 512.0) ** 0.35, 60, 1400))


def grow(
    streams: Streams, canvas: Canvas, outline: Outline, do: Hairdo, patch: Patch, number: int
) -> tuple[Curves, Array]:
    """Strands of a patch, and each strand's (count, 4) own variation: lock, strand, layer, width."""
    short = do.cut in ("crop", "brushed", "afro", "curly")
    count = int(strand_count(canvas) * patch.density * (1.6 if short else 1.0))
    locks = int(70 * patch.density * (3.0 if short else 1.0))
    rng = streams.part(Part.STRANDS, number)
    # `own` comes last: a larger canvas draws more strands after the same first ones.
    lock, strip, own = rng.random((locks, 6)), rng.random(STRIPS), rng.random((count, 8))
    lock = lock[np.arange(count) % locks]
    start = (
        patch.start[0] + (patch.start[1] - patch.start[0]) * clamp(lock[:, 0] + 0.10 * (own[:, 0] - 0.5), 0, 1) ** 1.6
    )
    q0 = lock[:, 1] + 0.055 * (own[:, 1] - 0.5) * (1.0 if not short else 1.4)
    length = patch.length[0] + (patch.length[1] - patch.length[0]) * (0.6 * lock[:, 2] + 0.4 * own[:, 2])
    drift = patch.drift[0] + (patch.drift[1] - patch.drift[0]) * (0.7 * lock[:, 3] + 0.3 * own[:, 3])
    reach = float(np.hypot(*np.diff(patch.outer, axis=0).T).sum()) * patch.length[1] + abs(patch.drift[1]) * 0.4
    turns = 1.0 + 1.5 * (do.cut == "curly")
    s = np.linspace(0.0, 1.0, samples_for(canvas, reach + 2 * np.pi * do.curl * turns))[None, :]
    t = np.minimum(start[:, None] + length[:, None] * s, 1.0)
    q = _soften(q0[:, None] + drift[:, None] * s)
    rows = 8 * canvas.n
    inner, outer = _table(patch.inner, patch.beyond[0], rows), _table(patch.outer, patch.beyond[1], rows)
    row = clamp((t - REACH_BACK) * (rows / (1.0 - REACH_BACK)), 0, rows - 1).astype(np.intp)
    x, y = (inner[c][row] + q * (outer[c] - inner[c])[row] for c in (0, 1))
    t = np.maximum(t, 0.0)
    phase = lock[:, 4:5] + 0.08 * own[:, 4:5]
    sway = (do.wave * (0.3 + t) + 0.012 * (own[:, 5:6] - 0.5)) * ripple(do.wave_count * t + phase)
    x, y = x + sway, y + 0.4 * sway
    if do.curl > 0.0:
        circle = turns * s + phase
        curl = do.curl * (0.7 + 0.6 * own[:, 6:7])
        x, y = x + curl * ripple(circle + 0.25), y + curl * ripple(circle)
    px, py = outline.roll(x, y)
    wisp = strip[clamp(q0 * STRIPS, 0, STRIPS - 1).astype(np.intp)]
    return Curves(px, py), np.stack([0.5 * lock[:, 5] + 0.5 * wisp, own[:, 6], own[:, 7], own[:, 0]], axis=1)


@dataclass(frozen=True)
class HairSheets:
    """Coverage and brightness of the hair by layer, back to front: both (LAYERS, n, n)."""

    ink: Array
    tone: Array


def comb(
    streams: Streams,
    canvas: Canvas,
    outline: Outline,
    do: Hairdo,
    patches: list[Patch],
    light: Light,
    first: int,
) -> HairSheets:
    """Grow, light and draw the strands of all patches. `first` numbers the patches' streams."""
    total = np.zeros((2, LAYERS, *canvas.shape))
    for k, patch in enumerate(patches):
        curves, own = grow(streams, canvas, outline, do, patch, first + k)
        length = curves.steps()
        tone = _lit(curves, outline.face, do, light)
        layer = np.minimum((own[:, 2] * LAYERS).astype(np.intp), LAYERS - 1)
        variation = (
            np.exp(2.9 * (own[:, 0:1] - 0.5) + 0.9 * (own[:, 1:2] - 0.5)) * np.array([0.40, 0.8, 1.15])[layer, None]
        )
        thick = 0.0062 * 900.0 / strand_count(canvas) * (0.5 + own[:, 3:4]) * (1.8 if do.cut == "crop" else 1.0)
        taper = np.minimum(1.0, 3.0 * (1.02 - np.linspace(0.0, 1.0, length.shape[1])))[None, :]
        ink = (thick / canvas.pixel**2) * taper * length
        tone *= variation
        tone *= ink
        total += splat(canvas, curves, layer, LAYERS, [ink, tone])
    return HairSheets(total[0], total[1] / (total[0] + 1e-9))


def _lit(all_curves: Curves, face: Face, do: Hairdo, light: Light) -> Array:
    """Brightness along strands, diffuse and highlight (Kajiya and Kay 1989), on a dome around the head."""
    count = all_curves.x.shape[1]
    every = 4 if count > 12 else 1
    curves = Curves(all_curves.x[:, ::every], all_curves.y[:, ::every])
    tx, ty, _ = curves.tangents()
    nx = clamp(curves.x / (face.width + do.volume + 0.08), -0.95, 0.95)
    ny = clamp((curves.y - SKULL_Y) / (SKULL_Y - face.top + do.volume + 0.08), -0.9, 0.25)
    nz = np.sqrt(np.maximum(0.06, 1.0 - nx * nx - ny * ny))
    tz = clamp(-(tx * nx + ty * ny) / nz, -2.0, 2.0)
    scale = 1.0 / np.sqrt(1.0 + tz * tz)
    key = light.key
    along = (tx * key[0] + ty * key[1] + tz * key[2]) * scale
    facing = np.maximum(0.0, (nx * key[0] + ny * key[1] + nz * key[2] + 0.25) / 1.25)
    half = key + np.array([0.0, 0.0, 1.0])
    half = half / np.linalg.norm(half)
    halfway = (tx * half[0] + ty * half[1] + tz * half[2]) * scale
    sine = np.maximum(0.0, 1.0 - halfway * halfway)
    tone = 0.30 + facing * (0.35 + 0.65 * np.sqrt(np.maximum(0.0, 1.0 - along * along)))
    broad = sine * sine * sine
    broad *= broad
    narrow = broad * broad
    level = float(do.colour.mean())
    # The highlight keeps the lamp's strength on dark hair: it is given in units of the hair's own colour.
    tone += do.gloss * (0.04 + 0.35 * level) / level * facing * (narrow * narrow + 0.25 * broad)
    return np.repeat(tone, every, axis=1)[:, :count]


def lay_hair(canvas: Canvas, do: Hairdo, sheets: HairSheets, light: Light, image: Array, dim: float = 1.0) -> None:
    """Composite the layers, back to front, over `image`."""
    size = max(3, round(0.11 / canvas.pixel))
    cover = 1.0 - np.exp(-2.5 * sheets.ink.sum(axis=0))
    body = smoothstep(0.40, 0.66, uniform_filter(cover, size, mode="nearest"))
    level = 0.45 * light.key_colour + 0.5 * light.fill_colour
    under = do.colour * level * 0.40 * dim
    for c in range(3):
        image[c] += body * (under[c] - image[c])
    for k in range(LAYERS):
        alpha = 1.0 - np.exp(-1.9 * sheets.ink[k])
        for c in range(3):
            lit = do.colour[c] * (light.key_colour[c] * sheets.tone[k] + 0.5 * light.fill_colour[c])
            image[c] += alpha * (dim * lit - image[c])
