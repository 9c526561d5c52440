"""Shoulders, neck and clothes: woven and knitted patterns on folds, and a collar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from bench.data.portraits.canvas import (
    Array,
    Canvas,
    Part,
    Streams,
    blend,
    clamp,
    fractal_noise,
    norm,
    ripple,
    smoothstep,
)
from bench.data.portraits.head import Outline
from bench.data.portraits.light import Light, shade_matte, shade_skin

Weave = Literal["knit", "rib", "plain", "twill", "stripe", "plaid", "tweed"]
WEAVES: tuple[Weave, ...] = ("knit", "rib", "plain", "twill", "stripe", "plaid", "tweed")
Collar = Literal["crew", "shirt", "roll", "vee"]
COLLARS: tuple[Collar, ...] = ("crew", "shirt", "roll", "vee")


@dataclass(frozen=True)
class Garment:
    """A piece of clothing: `period` of the weave in plane units; `slope` of the shoulders."""

    weave: Weave
    collar: Collar
    colour: Array
    second: Array
    period: float
    contrast: float
    slope: float


def draw_garment(streams: Streams) -> Garment:
    """Random clothes."""
    rng = streams.part(Part.CLOTH)
    weave, collar = WEAVES[int(rng.integers(len(WEAVES)))], COLLARS[int(rng.integers(len(COLLARS)))]
    period = rng.uniform(0.085, 0.135) * {"stripe": 1.1, "plaid": 1.6, "knit": 1.1}.get(weave, 1.0)
    return Garment(
        weave=weave,
        collar=collar,
        colour=_dye(rng),
        second=_dye(rng),
        period=float(period),
        contrast=float(rng.uniform(0.35, 0.65)),
        slope=float(rng.uniform(0.14, 0.30)),
    )


def _dye(rng: np.random.Generator) -> Array:
    hue, chroma, value = rng.random(), rng.random() ** 1.5, rng.random() ** 1.4
    wheel = 0.5 + 0.5 * np.cos(2.0 * np.pi * (hue - np.array([0.0, 1.0, 2.0]) / 3.0))
    return np.asarray((0.03 + 0.50 * value) * (1.0 - chroma * (1.0 - wheel)))


def lay_neck(canvas: Canvas, outline: Outline, tone: Array, light: Light, image: Array) -> None:
    """The neck, in the head's shadow."""
    face = outline.face
    window = canvas.window(0.0, 0.65, 0.62, 0.40)
    canvas = canvas.crop(window)
    x, y = canvas.axes()
    middle = outline.pose.body + (0.22 * outline.pose.yaw - outline.pose.body) * smoothstep(0.9, 0.35, y)
    half = 0.255 + 0.055 * face.masculine + 0.6 * np.maximum(0.0, y - 0.78) ** 1.5
    s = clamp((x - middle) / half, -1.0, 1.0)
    mask = canvas.cover(half - np.abs(x - middle))
    normal = np.stack([s, 0.10 + 0.0 * s, np.sqrt(1.0 - 0.97 * s * s)])
    shadow = smoothstep(face.chin - 0.05, face.chin + 0.34, y + 0.25 * light.key[0] * s)
    open_ = (0.30 + 0.60 * shadow) * (1.0 - 0.35 * s * s)
    cords = 1.0 - 0.10 * np.exp(-(((np.abs(s) - 0.42 + 0.5 * (y - 0.7)) / 0.07) ** 2))
    shade = shade_skin(light, normal, tone[:, None, None] * cords * np.ones((3, 1, 1)), open_, 0.5 * open_)
    blend(image[(slice(None), *window)], shade * (0.42 + 0.58 * shadow), mask)


def lay_garment(streams: Streams, canvas: Canvas, outline: Outline, wear: Garment, light: Light, image: Array) -> None:
    """Shoulders with cloth and collar."""
    window = canvas.window(0.0, 0.80, 1.1, 0.25)
    canvas, view = canvas.crop(window), image[(slice(None), *window)]
    axis_x, y = canvas.axes()
    x = axis_x - outline.pose.body
    folds = 0.05 * fractal_noise(streams, Part.FOLDS, canvas, {3: 1.0, 6: 0.55, 12: 0.3})
    neck, ridge = 0.20, 0.66
    shoulder = ridge + wear.slope * np.maximum(0.0, np.abs(x) - neck) ** 1.25
    height = 0.55 * np.sqrt(np.maximum(0.02, np.minimum(y - shoulder + 0.02, 0.6))) - 0.12 * x * x + folds
    threads, relief = _weave(streams, canvas, wear, x + 0.5 * folds, y - 0.18 * x * x + 0.5 * folds)
    inside = y - shoulder
    edge, band = _collar(wear, x, y)
    dy, dx = np.gradient(height, canvas.pixel)
    normal = np.stack([-dx, -dy, np.ones_like(dx)])
    normal /= np.sqrt((normal * normal).sum(axis=0))
    hang = smoothstep(0.0, 0.06, np.minimum(edge, 0.2))
    lit = shade_matte(light, normal) * (0.75 + 0.25 * hang)
    colour = _colour(canvas, wear, x, y, band, threads)
    cover = canvas.cover(np.minimum(inside, edge) if wear.collar != "roll" else np.maximum(inside, band - 0.001))
    shadow = smoothstep(-0.05, 0.0, edge) * 0.35
    view *= 1.0 - shadow * (1.0 - cover) * smoothstep(-0.01, 0.02, inside)
    blend(view, colour * lit * relief, cover)


def _collar(wear: Garment, x: Array, y: Array) -> tuple[Array, Array]:
    """Signed distances, positive inside: into the cloth from the neck's opening, into the collar's band."""
    if wear.collar == "crew":
        edge = (norm(x / 0.27, (y - 0.66) / 0.135) - 1.0) * 0.16
        return edge, np.minimum(edge, 0.058 - edge)
    if wear.collar == "roll":
        half = 0.30 - 0.02 * np.cos(18.0 * (y - 0.66))
        band = np.minimum(np.minimum(half - np.abs(x), y - 0.63 - 0.3 * x * x), 0.82 - y - 0.4 * x * x)
        return np.ones_like(x * y), band
    edge = (np.abs(x) - 0.62 * np.maximum(0.0, 0.98 - y)) * 0.85
    depth = 0.055 if wear.collar == "vee" else 0.13
    return edge, np.minimum(edge, depth - edge) if wear.collar == "vee" else np.minimum(
        np.minimum(edge, depth - edge), 0.93 - y - 0.25 * np.abs(x) + 0.10
    )


def _colour(canvas: Canvas, wear: Garment, x: Array, y: Array, band: Array, threads: Array) -> Array:
    colour = wear.colour[:, None, None] * (1.0 - threads) + wear.second[:, None, None] * threads
    on_band = canvas.cover(band)
    ribs = 1.0 + 0.35 * ripple(np.arctan2(y - 0.5, x) * 3.2 / wear.period + 0.25) * canvas.resolves(0.065)
    plain = wear.colour if wear.weave not in ("plaid", "stripe") else wear.second
    trim = 0.85 * plain[:, None, None] * (ribs if wear.collar in ("crew", "roll", "vee") else np.ones_like(ribs))
    blend(colour, trim, on_band)
    rim = np.exp(-((band / 0.014) ** 2))
    return np.asarray(colour * (1.0 - 0.45 * rim))


def _weave(streams: Streams, canvas: Canvas, wear: Garment, x: Array, y: Array) -> tuple[Array, Array]:
    """Share of the second colour, and the brightness of the threads' relief."""
    p = wear.period
    fine = canvas.resolves(0.030)
    yarn = 1.0 + 0.22 * fine * ripple(x / 0.030 + 0.25) * ripple(y / 0.030 + 0.25)
    fuzz = fractal_noise(streams, Part.FUZZ, canvas, {64: 1.0})
    yarn = yarn * (1.0 + 0.10 * fuzz)
    none = np.zeros_like(x * y)
    if wear.weave == "knit":
        vee = ripple(y / (0.8 * p) + np.abs((x / p) % 1.0 - 0.5) * 1.2 + 0.25)
        return none, yarn * (1.0 + wear.contrast * vee - 0.4 * np.maximum(ripple(x / p + 0.25), 0.0) ** 2)
    if wear.weave == "rib":
        return none, yarn * (1.0 + 1.1 * wear.contrast * ripple(x / (0.85 * p) + 0.25) + none)
    if wear.weave == "twill":
        return none, yarn * (1.0 + wear.contrast * ripple((x + y) / (0.75 * p) + 0.25))
    if wear.weave == "plain":
        return none, yarn * (1.0 + wear.contrast * ripple(x / (0.8 * p) + 0.25) * ripple(y / (0.8 * p) + 0.25))
    if wear.weave == "tweed":
        return smoothstep(0.3, 1.6, fuzz) * 0.8, yarn * (1.0 + 0.34 * fuzz)
    if wear.weave == "stripe":
        return smoothstep(-0.25, 0.25, ripple(y / (1.2 * p) + 0.25) + none), yarn
    bars = smoothstep(0.1, 0.5, ripple(x / p + 0.25)) + smoothstep(0.1, 0.5, ripple(y / p + 0.25))
    return 0.45 * bars + none, yarn * (1.0 + 0.2 * ripple((x + y) / (0.4 * p) + 0.25) * canvas.resolves(0.04))
