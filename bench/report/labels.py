"""Labels beside points that cover neither each other nor the points, error bars and curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

Boxes = NDArray[np.float64]
"""(n, 4) in pixels (display coordinates): x0, y0, x1, y1."""

ANGLES: Final = np.radians([0, 180, 90, 270, 45, 315, 135, 225, 20, 340, 160, 200])
DISTANCES: Final = np.array([5.0, 10.0, 17.0, 26.0])
"""Candidate places: directions, in the order of preference, and points from the anchor."""

LEADER_FROM: Final = 10.0
"""Points: distance from which a thin line ties the label to its point."""

LEADER_STEPS: Final = np.linspace(0.25, 1, 16)
SWEEPS: Final = 4


class Anchor(NamedTuple):
    """What a label names: a point in data coordinates, its text and colour."""

    x: float
    y: float
    text: str
    colour: str


class _Places(NamedTuple):
    """The n candidates of one label.

    `texts` (n, 4) and `leaders` (n, steps, 4) are the pixels they cover, none where no leader is drawn.
    `distances` (n,) and `offsets` (n, 2), of the text's centre from the anchor, are in points. Text and
    leader meet at `joints` (n, 2), fractions of the text's width and height.
    """

    texts: Boxes
    leaders: NDArray[np.float64]
    distances: NDArray[np.float64]
    offsets: NDArray[np.float64]
    joints: NDArray[np.float64]


def place_labels(figure: Figure, axes: Axes, anchors: Sequence[Anchor], obstacles: Boxes, size: float = 7.5) -> None:
    """Annotate every anchor at a free place near it; `obstacles` are lines to avoid, `size` is in points.

    The axes' position and limits must be final. Coordinate descent: each label in turn takes the cheapest
    place beside the others', which settles within `SWEEPS` for the dozen methods of a figure.
    """
    renderer: RendererBase = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    point = figure.dpi / 72
    pixels = axes.transData.transform([(anchor.x, anchor.y) for anchor in anchors])
    texts = [_text_size(axes, anchor.text, size, renderer) + 1.5 * point for anchor in anchors]
    places = [_places(start, text, point) for start, text in zip(pixels, texts, strict=True)]
    markers = squares(pixels, 3 * point)
    chosen: dict[int, int] = {}
    # Wide labels first: they have the fewest free places.
    order = sorted(range(len(anchors)), key=lambda i: -texts[i][0])
    for _ in range(SWEEPS):
        for i in order:
            # A text closer to another marker than to its own would seem to name that one.
            near = squares(np.delete(pixels, i, axis=0), 7 * point)
            solid = np.concatenate([markers, *(_covered(places[j], chosen[j]) for j in chosen if j != i)])
            costs = _costs(places[i], np.concatenate([near, solid]), solid, obstacles, axes)
            chosen[i] = int(np.argmin(costs))
    for i, anchor in enumerate(anchors):
        _annotate(axes, anchor, places[i], chosen[i], size)


def squares(centres: NDArray[np.float64], reach: float) -> NDArray[np.float64]:
    """Boxes (..., 4) that extend by `reach` to all sides of `centres` (..., 2)."""
    return np.concatenate([centres - reach, centres + reach], axis=-1)


def _text_size(axes: Axes, text: str, size: float, renderer: RendererBase) -> NDArray[np.float64]:
    """Width and height in pixels."""
    probe = axes.text(0, 0, text, fontsize=size)
    extent = probe.get_window_extent(renderer)
    probe.remove()
    return np.array([extent.width, extent.height])


def _places(start: NDArray[np.float64], text: NDArray[np.float64], point: float) -> _Places:
    """Every direction at every distance; a side's middle or a corner of the text continues the leader."""
    distances = np.repeat(DISTANCES, len(ANGLES))
    directions = np.tile(np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1), (len(DISTANCES), 1))
    ends = directions * distances[:, None]
    sides = np.clip(np.sqrt(2) * directions, -1, 1)
    centres = start + ends * point + sides * text / 2
    texts = np.concatenate([centres - text / 2, centres + text / 2], axis=1)
    reach = np.where(distances >= LEADER_FROM, 0.5 * point, 0.0)[:, None, None]
    steps = start + ends[:, None, :] * point * LEADER_STEPS[:, None]
    leaders = np.concatenate([steps - reach, steps + reach], axis=-1)
    return _Places(texts, leaders, distances, (centres - start) / point, (1 - sides) / 2)


def _covered(places: _Places, i: int) -> Boxes:
    return np.concatenate([places.texts[i : i + 1], places.leaders[i]])


def _costs(places: _Places, text_clear: Boxes, leader_clear: Boxes, lines: Boxes, axes: Axes) -> NDArray[np.float64]:
    """Pixels that text or leader cover of what they must stay clear of, and pixels of text outside the axes.

    A thin leader over another marker misleads as much as a text; text over `lines` hides little. Distance
    settles the rest.
    """
    x0, y0, x1, y1 = places.texts[0]
    size = (x1 - x0) * (y1 - y0)
    leaders = places.leaders.reshape(-1, 4)
    hidden = overlap_areas(places.texts, text_clear).sum(axis=1)
    misled = overlap_areas(leaders, leader_clear).sum(axis=1).reshape(len(places.texts), -1).sum(axis=1)
    crossed = overlap_areas(places.texts, lines).sum(axis=1)
    outside = size - overlap_areas(places.texts, np.array([axes.bbox.extents]))[:, 0]
    far = 0.03 * size * np.hypot(*places.offsets.T) / DISTANCES[-1]
    costs: NDArray[np.float64] = 8 * (hidden + outside) + 100 * misled + 2 * crossed + far
    return costs


def overlap_areas(a: Boxes, b: Boxes) -> NDArray[np.float64]:
    """Area common to each pair of boxes (len(a), len(b))."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    areas: NDArray[np.float64] = np.maximum(high - low, 0.0).prod(axis=-1)
    return areas


def _annotate(axes: Axes, anchor: Anchor, places: _Places, i: int, size: float) -> None:
    look = {"arrowstyle": "-", "linewidth": 0.4, "color": anchor.colour, "shrinkA": 0, "shrinkB": 3}
    # Without patchA, matplotlib would cut off what lies within 4 points of the text.
    leader = {**look, "relpos": tuple(places.joints[i]), "patchA": None}
    axes.annotate(
        anchor.text,
        (anchor.x, anchor.y),
        xytext=(float(places.offsets[i, 0]), float(places.offsets[i, 1])),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize=size,
        color=anchor.colour,
        arrowprops=leader if places.distances[i] >= LEADER_FROM else None,
    )
