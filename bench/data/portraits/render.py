"""One portrait from its numbers: draw the person, then paint from back to front."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from bench.data.portraits import beard, cloth, eyes, glasses, hair, hairdo, mouth, skin
from bench.data.portraits.backdrop import paint_backdrop
from bench.data.portraits.canvas import Array, Canvas, Streams, blend, bump, clamp, norm, smoothstep
from bench.data.portraits.head import Head, Outline, build_head, draw_face, draw_pose
from bench.data.portraits.light import Light, draw_light, shade_skin


def render(seed: int, index: int, size: int) -> NDArray[np.uint8]:
    """Portrait `index` of the collection `seed`: (size, size, 3) uint8 sRGB.

    The same person, pose, light and strands at every size >= 16; a larger size shows finer detail of the same
    portrait. Deterministic in (seed, index, size): random numbers come from PCG64 streams seeded with
    SeedSequence([seed, index]), one per part, and never depend on the size; arithmetic is float64, rounded to
    8 bits at the end, so that another platform or numpy release may differ by one level in rare pixels, and
    only where numpy keeps its documented stream of PCG64 draws.
    """
    if size < 16:
        raise ValueError(f"portraits: size {size} is too small; use 16 or more")
    samples = 2 if size < 384 else 1
    linear = _paint(Streams(seed, index), Canvas.whole(size * samples))
    if samples == 2:
        linear = 0.25 * (linear[:, ::2, ::2] + linear[:, 1::2, ::2] + linear[:, ::2, 1::2] + linear[:, 1::2, 1::2])
    encoded = (1.0 - np.exp(-1.35 * np.maximum(linear, 0.0))) ** (1.0 / 2.2)
    return np.rint(255.0 * encoded).astype(np.uint8).transpose(1, 2, 0)


def _paint(streams: Streams, canvas: Canvas) -> Array:
    outline = Outline(draw_face(streams), draw_pose(streams))
    light, do = draw_light(streams), hairdo.draw_hairdo(streams, outline.face)
    tone = skin.skin_tone(streams, outline.face.skin)
    image = paint_backdrop(streams, canvas)
    back = hairdo.back_patches(do, outline)
    if back:
        hair.lay_hair(canvas, do, hair.comb(streams, canvas, outline, do, back, light, 8), light, image, dim=0.45)
    cloth.lay_neck(canvas, outline, tone, light, image)
    cloth.lay_garment(streams, canvas, outline, cloth.draw_garment(streams), light, image)
    front = hairdo.front_patches(do, outline)
    sheets = hair.comb(streams, canvas, outline, do, front, light, 0)
    _lay_ears(canvas, outline, tone, light, image)
    window = canvas.window(0.0, 0.5 * (outline.face.top + outline.face.chin), 0.66, 0.80)
    shadow = _cast_shadow(canvas, sheets)[window]
    near = canvas.crop(window)
    _lay_face(streams, near, build_head(near, outline), do, shadow, light, image[(slice(None), *window)])
    hair.lay_hair(canvas, do, sheets, light, image)
    return image


def _lay_face(
    streams: Streams,
    canvas: Canvas,
    head: Head,
    do: hairdo.Hairdo,
    shadow: Array,
    light: Light,
    image: Array,
) -> None:
    outline = head.outline
    paint = skin.paint_skin(streams, canvas, head)
    gaze = eyes.draw_gaze(streams, outline.face)
    pair = [eyes.open_eye(canvas, head, side) for side in (-1.0, 1.0)]
    for eye in pair:
        eyes.paint_eye(streams, canvas, outline.face, gaze, eye, paint)
    mouth.paint_mouth(streams, canvas, head, paint)
    paint.occlusion *= 1.0 - 0.55 * shadow
    shaded = shade_skin(light, head.normal, paint.albedo, paint.occlusion, paint.gloss)
    for eye in pair:
        eyes.add_catchlight(canvas, gaze, light, eye, shaded)
    beard.lay_brows(streams, canvas, outline, do, shaded)
    beard.lay_beard(streams, canvas, outline, do, beard.draw_beard(streams, outline.face), light, shaded)
    blend(image, shaded, head.mask)
    worn = glasses.draw_glasses(streams, outline.face)
    if worn is not None:
        glasses.lay_glasses(canvas, head, worn, light, image)


def _cast_shadow(canvas: Canvas, sheets: hair.HairSheets) -> Array:
    """How much the hair darkens what lies just under it, 0 to 1."""
    size, shift = max(3, round(0.08 / canvas.pixel)), max(1, round(0.03 / canvas.pixel))
    soft = uniform_filter(uniform_filter(np.minimum(1.0, sheets.ink.sum(axis=0)), size), size)
    return np.asarray(np.roll(soft, shift, axis=0))


def _lay_ears(canvas: Canvas, outline: Outline, tone: Array, light: Light, image: Array) -> None:
    x, y = canvas.axes()
    for side in (-1.0, 1.0):
        cx = side * (outline.face.width + 0.005) - 0.05 * outline.pose.yaw
        cx, cy = (float(v[0]) for v in outline.roll(np.array([cx]), np.array([0.03])))
        rows, columns = canvas.window(cx, cy, 0.12, 0.20)
        dx, dy = side * (x[:, columns] - cx) + 0.18 * (y[rows] - cy), y[rows] - cy
        away = norm(dx / 0.072, dy / 0.150)
        mask = canvas.cover((1.0 - away) * 0.075)
        hollow = bump(dx + 0.005, dy + 0.01, 0.045, 0.105)
        fold = clamp(1.0 - np.abs(away - 0.62) / 0.16, 0.0, 1.0)
        normal = np.stack([side * (0.75 * dx / 0.075 + 0.3), 0.4 * dy / 0.15 + 0.0 * away, 0.7 + 0.0 * away])
        normal /= np.sqrt((normal * normal).sum(axis=0))
        open_ = clamp(0.85 - 0.45 * hollow - 0.25 * fold, 0.1, 1.0) * (1 - 0.4 * smoothstep(0.05, -0.09, dx))
        red = np.array([1.05, 0.82, 0.78])[:, None, None] * tone[:, None, None] * np.ones_like(away)
        blend(image[:, rows, columns], shade_skin(light, normal, red, open_, 0.5 * open_), mask)
