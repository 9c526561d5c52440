"""The head as a surface: outline, depth, relief, normals; and the map between face and image plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bench.data.portraits.canvas import Array, Canvas, Part, Streams, bump, clamp, smoothstep

EYE_Y = -0.08
SKULL_Y = -0.14
"""Height of the widest place of the skull."""


@dataclass(frozen=True)
class Face:
    """Measures of one person, in plane units, seen from the front."""

    width: float
    top: float
    chin: float
    jaw: float
    taper: float
    eye_gap: float
    eye_width: float
    eye_open: float
    eye_slant: float
    nose_length: float
    nose_width: float
    nose_height: float
    mouth_y: float
    mouth_width: float
    lip_upper: float
    lip_lower: float
    smile: float
    mouth_open: float
    cheek: float
    brow_y: float
    brow_arch: float
    age: float
    masculine: float
    skin: float
    """Place on the scale of skin tones, 0 to 1."""


@dataclass(frozen=True)
class Pose:
    """yaw and roll in radians; body: sideways shift of the shoulders."""

    yaw: float
    roll: float
    body: float


def draw_face(streams: Streams) -> Face:
    """A random face."""
    rng = streams.part(Part.FACE)
    u = rng.random(24)
    masculine = float(smoothstep(0.35, 0.65, u[0:1])[0])
    age = float(u[1] ** 1.3)
    smile = float(u[2] * 1.2 - 0.25)
    mouth_open = max(0.0, u[3] * 2.0 - 1.1) * (0.35 + 0.65 * max(0.0, smile))
    return Face(
        width=0.475 + 0.05 * u[4] + 0.02 * masculine,
        top=-0.84 - 0.05 * u[5],
        chin=0.61 + 0.07 * u[6] + 0.015 * masculine,
        jaw=2.5 + 1.0 * u[7] + 0.7 * masculine,
        taper=0.22 + 0.16 * u[8] - 0.05 * masculine,
        eye_gap=0.215 + 0.03 * u[9],
        eye_width=0.098 + 0.022 * u[10],
        eye_open=0.70 + 0.45 * u[11] - 0.12 * masculine - 0.12 * max(smile, 0.0) - 0.1 * age,
        eye_slant=-0.05 + 0.20 * u[12],
        nose_length=0.275 + 0.06 * u[13],
        nose_width=0.070 + 0.035 * u[14] + 0.008 * masculine,
        nose_height=0.13 + 0.07 * u[15],
        mouth_y=0.335 + 0.035 * u[16],
        mouth_width=0.155 + 0.04 * u[17] + 0.05 * max(smile, 0.0),
        lip_upper=0.030 + 0.020 * u[18] - 0.008 * masculine,
        lip_lower=0.040 + 0.026 * u[19] - 0.008 * masculine,
        smile=smile,
        mouth_open=float(mouth_open),
        cheek=0.02 + 0.03 * u[20] + 0.012 * max(smile, 0.0),
        brow_y=-0.215 - 0.035 * u[21] + 0.02 * masculine,
        brow_arch=0.01 + 0.04 * u[22] * (1.2 - masculine),
        age=age,
        masculine=masculine,
        skin=float(u[23]),
    )


def draw_pose(streams: Streams) -> Pose:
    """A random pose close to frontal, as after FFHQ's alignment."""
    rng = streams.part(Part.POSE)
    yaw, roll, body = rng.standard_normal(3)
    return Pose(
        yaw=float(np.clip(0.22 * yaw, -0.5, 0.5)),
        roll=float(np.clip(0.035 * roll, -0.08, 0.08)),
        body=float(np.clip(0.06 * body + 0.05 * yaw, -0.16, 0.16)),
    )


@dataclass(frozen=True)
class Outline:
    """The head's silhouette, and the map from face coordinates to the image plane."""

    face: Face
    pose: Pose

    def half_width(self, y: Array) -> Array:
        """Half-width of the head at height `y`, 0 above the crown and below the chin."""
        face = self.face
        up = clamp((SKULL_Y - y) / (SKULL_Y - face.top), 0.0, 1.0)
        down = clamp((y - SKULL_Y) / (face.chin - SKULL_Y), 0.0, 1.0)
        jaw = np.sqrt(np.maximum(0.0, 1.0 - down**face.jaw)) * (1.0 - face.taper * down * down * (3.0 - 2.0 * down))
        return np.asarray(face.width * np.where(y < SKULL_Y, np.sqrt(1.0 - up * up), jaw))

    def centre(self, y: Array) -> Array:
        """x of the silhouette's middle: a turned head carries its chin to the side."""
        return 0.22 * self.pose.yaw * smoothstep(-0.2, 0.7, y)

    def project(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Image plane position of face coordinates (seen from the front) after yaw and roll."""
        width = self.half_width(y) + 1e-6
        s = clamp(x / width, -1.0, 1.0)
        turned = s * np.cos(self.pose.yaw) + np.sqrt(1.0 - s * s) * np.sin(self.pose.yaw)
        return self.roll(width * turned + self.centre(y), y)

    def roll(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Turn about the point between the eyes."""
        cos, sin = np.cos(self.pose.roll), np.sin(self.pose.roll)
        return x * cos - (y - EYE_Y) * sin, x * sin + (y - EYE_Y) * cos + EYE_Y

    def locate(self, x: float, y: float) -> tuple[float, float]:
        """`project` for one point."""
        px, py = self.project(np.array([x]), np.array([y]))
        return float(px[0]), float(py[0])


@dataclass(frozen=True)
class Head:
    """The head on a canvas: face coordinates x, y, coverage, normal (3, n, n; z to the viewer)."""

    outline: Outline
    x: Array
    y: Array
    mask: Array
    normal: Array


def build_head(canvas: Canvas, outline: Outline) -> Head:
    """Surface of the head at every sample."""
    sx, sy = canvas.axes()
    cos, sin = np.cos(outline.pose.roll), np.sin(outline.pose.roll)
    y = -sx * sin + (sy - EYE_Y) * cos + EYE_Y
    rows = np.linspace(-1.2, 1.2, 1025)  # the span of `_lookup`
    half_width = outline.half_width(rows)
    width = _lookup(half_width, y) + 1e-6
    x = sx * cos + (sy - EYE_Y) * sin - _lookup(outline.centre(rows), y)
    s = clamp(x / width, -1.0, 1.0)
    round_ = np.sqrt(1.0 - 0.985 * s * s)
    face_x = width * (s * np.cos(outline.pose.yaw) - np.sqrt(1.0 - s * s) * np.sin(outline.pose.yaw))
    slope = _lookup(np.gradient(half_width, 2.4 / 1024), y)
    mask = canvas.cover((width - np.abs(x)) / np.sqrt(1.0 + slope * slope)) * (width > canvas.pixel)
    depth = _lookup(_depth(outline.face, rows), y) * round_ + relief(canvas, outline, face_x, y)
    dy, dx = np.gradient(depth, canvas.pixel)
    normal = np.stack([-dx, -dy, np.ones_like(dx)])
    normal /= np.sqrt((normal * normal).sum(axis=0))
    return Head(outline, face_x, y, mask, normal)


def _lookup(table: Array, y: Array) -> Array:
    """Values at `y` from a table over 1025 heights from -1.2 to 1.2."""
    position = (y + 1.2) * (1024 / 2.4)
    row = position.astype(np.intp)
    step = np.diff(table, append=table[-1:])
    return np.asarray(table[row] + (position - row) * step[row])


def _depth(face: Face, y: Array) -> Array:
    up = clamp((SKULL_Y - y) / (SKULL_Y - face.top), 0.0, 1.0)
    down = clamp((y - SKULL_Y) / (face.chin - SKULL_Y), 0.0, 1.0)
    lower = (1.0 - 0.16 * down) * np.sqrt(1.0 - 0.97 * down**7)
    return np.asarray(0.47 * np.where(y < SKULL_Y, np.sqrt(1.0 - 0.97 * up**2.6), lower))


def relief(canvas: Canvas, outline: Outline, x: Array, y: Array) -> Array:
    """Height of brows, sockets, nose, cheeks, lips and chin over the smooth skull."""
    hills = np.array(_features(outline.face) + _mouth(outline.face) + _nose(outline))
    px, py = outline.project(hills[:, 0], hills[:, 1])
    height = np.zeros_like(x)
    for (cx, cy, rx, ry, amount), at_x, at_y in zip(hills.tolist(), px.tolist(), py.tolist(), strict=True):
        window = canvas.window(at_x, at_y, 1.15 * rx, 1.15 * ry)
        height[window] += amount * bump(x[window] - cx, y[window] - cy, rx, ry)
    return height


Hill = tuple[float, float, float, float, float]
"""Centre x, y, half-axes, height: see `bump`."""


def _features(face: Face) -> list[Hill]:
    hills: list[Hill] = [(0.0, face.chin - 0.11, 0.17, 0.12, 0.038)]
    for side in (-1.0, 1.0):
        eye = side * face.eye_gap
        fold = -0.012 - 0.014 * face.age - 0.010 * max(face.smile, 0.0)
        hills += [
            (eye * 0.92, EYE_Y - 0.005, 0.24, 0.16, -0.060),
            (eye, EYE_Y + 0.005, 0.15, 0.10, 0.042),
            (eye * 1.05, face.brow_y + 0.01, 0.24, 0.09, 0.022 + 0.014 * face.masculine),
            (side * 0.30, 0.12 - 0.03 * face.smile, 0.22, 0.20, face.cheek),
            (eye, EYE_Y + 0.115, 0.12, 0.045, -0.010 * face.age),
            (side * 0.245, 0.24, 0.07, 0.16, fold),
            (side * 0.36, 0.36, 0.14, 0.22, -0.012),
        ]
    return hills


def _mouth(face: Face) -> list[Hill]:
    mouth, lift = face.mouth_y, 0.05 * face.mouth_open
    return [
        (0.0, mouth - 0.5 * face.lip_upper - lift, 0.17, 0.045, 0.020),
        (0.0, mouth + 0.6 * face.lip_lower + lift, 0.13, 0.052, 0.032),
        (0.0, mouth, 0.30, 0.20, 0.020),
        (0.0, mouth + 0.105 + lift, 0.14, 0.050, -0.022),
        (0.0, mouth - 0.085, 0.022, 0.055, -0.008),
    ]


def _nose(outline: Outline) -> list[Hill]:
    """The ridge in overlapping pieces, tip and wings; a turned nose leans over the far cheek."""
    face = outline.face
    lean, height = 0.35 * float(np.sin(outline.pose.yaw)), face.nose_height
    tip = EYE_Y + face.nose_length
    hills: list[Hill] = [(lean * height, tip - 0.005, 0.085, 0.075, 0.44 * height)]
    for step in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        rise = height * (0.16 + 0.34 * step)
        centre = EYE_Y - 0.06 + step * (face.nose_length - 0.02)
        hills.append((lean * rise * 2.0, centre, 0.055 + 0.030 * step, 0.10, rise * 0.42))
    wings = (lean * 0.05 - face.nose_width, lean * 0.05 + face.nose_width)
    return hills + [(x, tip + 0.012, 0.055, 0.052, 0.24 * height) for x in wings]
