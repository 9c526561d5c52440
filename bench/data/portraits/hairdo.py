"""Hairdos: colour and cut of one person, as patches of hair between pairs of guide curves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.data.portraits.canvas import Array, Part, Streams, linear, smoothstep
from bench.data.portraits.head import SKULL_Y, Face, Outline

Cut = Literal["long", "bob", "swept", "brushed", "crop", "curly", "afro", "bald"]
CUTS: tuple[Cut, ...] = ("long", "bob", "swept", "brushed", "crop", "curly", "afro", "bald")
COLOURS = np.stack(
    [
        linear(26, 21, 19),
        linear(52, 35, 26),
        linear(92, 60, 38),
        linear(128, 88, 54),
        linear(186, 142, 88),
        linear(222, 190, 136),
        linear(132, 72, 42),
        linear(158, 88, 52),
    ]
)
GREY = linear(168, 166, 164)


@dataclass(frozen=True)
class Hairdo:
    """One person's hair. Lengths in plane units; `end_y`: where the hair ends; `wave`, `curl`: amplitudes."""

    cut: Cut
    colour: Array
    parting: float
    volume: float
    hairline: float
    recede: float
    end_y: float
    flare: float
    wave: float
    wave_count: float
    curl: float
    fringe: float
    gloss: float


@dataclass(frozen=True)
class Patch:
    """Hair between two guides (k, 2): a strand starts at `start` along them and spans `length` of them.

    `drift`: how far it moves from the first to the second guide on its way; `density`: share of all strands;
    `beyond`: the guides on the other side of the parting, for strands that start across it.
    """

    inner: Array
    outer: Array
    beyond: tuple[Array, Array]
    start: tuple[float, float]
    length: tuple[float, float]
    drift: tuple[float, float]
    density: float


def draw_hairdo(streams: Streams, face: Face) -> Hairdo:
    """A random hairdo that suits the face."""
    rng = streams.part(Part.HAIR)
    u = rng.random(14)
    male, curly = face.masculine, face.skin
    odds = np.array(
        [
            1.0 - 0.85 * male,
            0.8 - 0.70 * male,
            0.35 + 0.6 * male,
            0.10 + 0.9 * male,
            0.04 + (0.30 + 0.5 * curly) * male,
            0.30 + 0.4 * curly - 0.15 * male,
            0.02 + 0.45 * max(0.0, curly - 0.45),
            0.01 + 0.30 * male * face.age,
        ]
    )
    cut = CUTS[int(np.searchsorted(np.cumsum(odds / odds.sum()), u[0]).clip(0, len(CUTS) - 1))]
    tall = {"crop": 0.010, "bald": 0.0, "afro": 0.15, "curly": 0.09, "long": 0.04, "bob": 0.05}.get(cut, 0.035)
    end = {"long": 1.05, "bob": 0.36, "curly": 0.55 - 0.45 * male}.get(cut, 0.0)
    return Hairdo(
        cut=cut,
        colour=_colour(face, u[1], u[2]),
        parting=float((u[3] - 0.5) * 0.5),
        volume=tall + 0.05 * u[4] * (tall > 0.02),
        hairline=-0.45 - 0.07 * u[5] - 0.06 * male * face.age,
        recede=float(male * face.age * u[6]),
        end_y=end + 0.25 * (u[7] - 0.5) * (end > 0),
        flare=float(0.12 * u[8] - 0.03),
        wave=float(0.05 * u[9] ** 2),
        wave_count=1.5 + 3.0 * u[10],
        curl=float(0.016 + 0.022 * u[11]) if cut in ("curly", "afro") else 0.0,
        fringe=float(u[12] < 0.40 * (1.0 - male)) if cut in ("long", "bob", "swept") else 0.0,
        gloss=0.5 + 0.9 * u[13],
    )


def _colour(face: Face, pick: float, shade: float) -> Array:
    place = pick ** (1.0 + 2.5 * face.skin) * (len(COLOURS) - 1) * (1.0 if face.skin < 0.55 else 0.35)
    colour = np.array([np.interp(place, np.arange(len(COLOURS)), COLOURS[:, c]) for c in range(3)])
    grey = float(smoothstep(0.55, 0.95, np.array([face.age - 0.12 + 0.3 * (shade - 0.5)]))[0])
    return np.asarray((colour + grey * (GREY - colour)) * (0.8 + 0.4 * shade))


def _smooth(points: list[tuple[float, float]], count: int = 48) -> Array:
    """A curve (count, 2) through the points, evenly spaced (Catmull-Rom)."""
    p = np.asarray(points, dtype=np.float64)
    p = np.concatenate([2 * p[:1] - p[1:2], p, 2 * p[-1:] - p[-2:-1]])
    t = np.linspace(0.0, len(p) - 3 - 1e-9, 2 * count)
    k, f = t.astype(int), (t % 1.0)[:, None]
    a, b, c, d = p[k], p[k + 1], p[k + 2], p[k + 3]
    curve = b + 0.5 * f * (c - a + f * (2 * a - 5 * b + 4 * c - d + f * (3 * (b - c) + d - a)))
    length = np.concatenate([[0.0], np.cumsum(np.hypot(*np.diff(curve, axis=0).T))])
    even = np.linspace(0.0, length[-1], count)
    return np.stack([np.interp(even, length, curve[:, 0]), np.interp(even, length, curve[:, 1])], axis=1)


def _sides(do: Hairdo, outline: Outline) -> list[tuple[Array, Array]]:
    """Guides of the left and the right half: along the hairline, and along the silhouette."""
    face, guides = outline.face, []
    yaw_shift = 0.5 * np.sin(outline.pose.yaw)
    falls = do.end_y > 0.12
    for side in (-1.0, 1.0):
        w, v = face.width, do.volume
        hx = do.parting * 0.8
        corner = 0.30
        inner = [
            (hx, do.hairline - 0.14 * do.recede),
            (hx * 0.4 + side * corner * 0.62, do.hairline - 0.01 - 0.16 * do.recede),
            (side * 0.80 * w, -0.33 - 0.10 * do.recede),
            (side * 0.93 * w, -0.12),
        ]
        start = float(np.arcsin(np.clip(side * do.parting / (w + v), -0.9, 0.9)))
        angles = np.linspace(start, 0.5 * np.pi, 6)
        rise = SKULL_Y - face.top + v
        outer = [(side * (w + v) * float(np.sin(a)), SKULL_Y - rise * float(np.cos(a))) for a in angles]
        if falls:
            inner += [(side * 0.97 * w, 0.10), (side * (0.93 * w - 0.02), 0.3 * do.end_y + 0.1)]
            inner += [(side * (0.80 * w - 0.3 * do.flare), do.end_y)]
            outer += [
                (side * (w + v + 0.4 * do.flare), 0.4 * do.end_y),
                (side * (w + 0.7 * v + do.flare), do.end_y),
            ]
        else:
            inner += [(side * 0.985 * w, 0.02)]
            outer[-1] = (side * (w + 0.35 * v), SKULL_Y + 0.02)
            outer += [(side * (w + 0.006), 0.0)]
        inner_curve = _smooth(inner)
        turned = outline.project(inner_curve[:, 0], np.minimum(inner_curve[:, 1], face.chin - 0.15))
        near = smoothstep(0.35, 0.10, inner_curve[:, 1])
        inner_curve[:, 0] += near * (turned[0] - inner_curve[:, 0])
        outer_curve = _smooth(outer)
        outer_curve[:, 0] += yaw_shift * 0.12 * smoothstep(-0.2, 0.5, outer_curve[:, 1])
        guides.append((inner_curve, outer_curve))
    return guides


def front_patches(do: Hairdo, outline: Outline) -> list[Patch]:
    """Hair in front of the head."""
    if do.cut == "bald":
        return []
    start, length, drift = {
        "long": ((-0.03, 0.05), (0.80, 1.0), (-0.06, 0.06)),
        "bob": ((-0.03, 0.05), (0.82, 1.0), (-0.10, 0.10)),
        "swept": ((-0.10, 0.75), (0.25, 0.50), (-0.05, 0.30)),
        "brushed": ((-0.12, 0.95), (-0.12, 0.18), (0.35, 0.80)),
        "crop": ((-0.1, 0.98), (0.02, 0.05), (0.08, 0.18)),
        "curly": ((-0.12, 0.85), (0.06, 0.20), (-0.2, 0.2)),
        "afro": ((-0.1, 0.98), (-0.08, 0.08), (0.05, 0.20)),
    }[do.cut]
    sides = _sides(do, outline)
    patches = [Patch(*own, other, start, length, drift, 1.0) for own, other in zip(sides, sides[::-1], strict=True)]
    if do.fringe:
        patches.append(_fringe(do, outline))
    return patches


def _fringe(do: Hairdo, outline: Outline) -> Patch:
    w, top = 0.82 * outline.face.width, do.hairline - 0.16
    edges = []
    for side in (-1.0, 1.0):
        points = _smooth([(do.parting + side * 0.10, top), (side * 0.75 * w, do.hairline + 0.03), (side * w, -0.24)])
        points[:, 0], _ = outline.project(points[:, 0], points[:, 1])
        edges.append(points)
    return Patch(edges[0], edges[1], (edges[0], edges[1]), (0.0, 0.15), (0.70, 0.86), (-0.10, 0.10), 0.8)


def back_patches(do: Hairdo, outline: Outline) -> list[Patch]:
    """Hair that hangs behind the neck."""
    if do.end_y < 0.3:
        return []
    w = outline.face.width + do.volume
    edges = [
        _smooth([(side * 0.5 * w, -0.4), (side * w, 0.0), (side * (w + do.flare), do.end_y)]) for side in (-1.0, 1.0)
    ]
    return [Patch(edges[0], edges[1], (edges[0], edges[1]), (0.0, 0.3), (0.55, 0.75), (-0.05, 0.05), 0.7)]
