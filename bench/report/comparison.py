"""The paper's comparison figure: input, methods and ground truth side by side, with crops and scores."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from bench.report.crops import choose_boxes
from bench.report.model import Box, Pictures, Report
from bench.report.scores import Scores, image_scores
from bench.report.style import TWO_COLUMNS

MAX_COLUMNS = 8
MAX_PANEL = 1.4
GAP = 0.035
LINE = 0.15
IMAGE_GAP = 0.09
"""Inches: the widest panel, between pictures, per line of text, and between the bands of different images."""

BOX_COLOURS = ("#E8262A", "#FFD21F", "#27C8F5")
"""Of the zoomed regions: bright on photographs and far apart in lightness, also for colour-blind readers."""


@dataclass(frozen=True)
class Panel:
    """`image` (h, w, 3) may have any size; it is drawn on the pixel grid of the ground truth."""

    label: str
    image: NDArray[np.uint8]
    score: str


@dataclass(frozen=True)
class Band:
    """Panels in one line, each with its crops below; `size` is (height, width) of the ground truth in pixels.

    `panel_width` and `space`, the room below the band, are in inches.
    """

    panels: tuple[Panel, ...]
    boxes: tuple[Box, ...]
    size: tuple[int, int]
    panel_width: float
    labelled: bool
    space: float

    @property
    def crop_width(self) -> float:
        count = max(1, len(self.boxes))
        return (self.panel_width - GAP * (count - 1)) / count

    @property
    def image_height(self) -> float:
        return self.panel_width * self.size[0] / self.size[1]

    @property
    def label_lines(self) -> int:
        if not self.labelled:
            return 0
        return max(len(wrap_label(panel.label, self.panel_width)) for panel in self.panels)

    @property
    def height(self) -> float:
        """Inches, without `space`."""
        crops = max((self.crop_width * box.height / box.width for box in self.boxes), default=-GAP)
        return self.label_lines * LINE + self.image_height + GAP + crops + LINE


def comparison_figure(report: Report, pictures: Pictures, width: float = TWO_COLUMNS) -> Figure:
    """One band of panels per image, or several beyond `MAX_COLUMNS` panels; at most `width` inches wide.

    Whole images are scaled by bicubic interpolation; crops show the pixels as they are (nearest neighbour).
    """
    scores = image_scores(report, pictures)
    bands = [band for image in pictures.images for band in _bands(report, pictures, scores, image, width)]
    columns = max(len(band.panels) for band in bands)
    panel_width = bands[0].panel_width
    height = sum(band.height + band.space for band in bands)
    figure = Figure(figsize=(columns * (panel_width + GAP) - GAP, height))
    top = figure.get_figheight()
    for band in bands:
        _draw_band(figure, band, top)
        top -= band.height + band.space
    return figure


def _bands(report: Report, pictures: Pictures, scores: Scores, image: str, width: float) -> list[Band]:
    source = next((method.label for method in report.methods if method.family == "input"), None)
    shown = [
        method
        for method in report.methods
        if method.label in pictures.restored and method.reason is None and method.label != source
    ]
    restored = {method.label: pictures.restored[method.label](image) for method in shown}
    gt = pictures.gt(image)
    texts = [scores.texts[method.label, image] for method in shown]
    # The first input row scores the input column, and is no column of its own.
    panels = [Panel("Input", pictures.lq(image), "" if source is None else scores.texts[source, image])]
    panels += [Panel(label, restored[label], text) for label, text in zip(restored, texts, strict=True)]
    panels += [Panel("Ground truth", gt, scores.legend if any(panel.score for panel in panels) else "")]
    boxes = (pictures.boxes.get(image) or choose_boxes(gt, list(restored.values())))[: len(BOX_COLOURS)]
    columns = ceil(len(panels) / ceil(len(panels) / MAX_COLUMNS))
    panel_width = min(MAX_PANEL, (width + GAP) / columns - GAP)
    wrapped = columns < len(panels)
    bands = []
    for first in range(0, len(panels), columns):
        band_panels = tuple(panels[first : first + columns])
        labelled = wrapped or image == pictures.images[0]
        space = GAP if first + columns < len(panels) or image == pictures.images[-1] else IMAGE_GAP
        bands.append(Band(band_panels, boxes, (gt.shape[0], gt.shape[1]), panel_width, labelled, space))
    return bands


def wrap_label(label: str, width: float) -> list[str]:
    """Lines that fit `width` inches at 8 pt, whose letters are about 3.9 pt wide."""
    return textwrap.wrap(label, max(4, int(width * 72 / 3.9))) or [""]


def _draw_band(figure: Figure, band: Band, top: float) -> None:
    for i, panel in enumerate(band.panels):
        left = i * (band.panel_width + GAP)
        if band.labelled:
            lines = wrap_label(panel.label, band.panel_width)
            for j, line in enumerate(reversed(lines)):
                baseline = top - band.label_lines * LINE + 0.045 + j * LINE
                _text(figure, left + band.panel_width / 2, baseline, line, size=8)
        _draw_panel(figure, band, panel, left, top - band.label_lines * LINE)


def _draw_panel(figure: Figure, band: Band, panel: Panel, left: float, top: float) -> None:
    whole = Box(0, 0, band.size[1], band.size[0])
    axes = _picture(figure, band, panel, whole, (left, top, band.panel_width), "bicubic")
    for box, colour in zip(band.boxes, BOX_COLOURS, strict=False):
        axes.add_patch(Rectangle(box[:2], box.width, box.height, fill=False, edgecolor=colour, linewidth=0.9))
    below = top - band.image_height - GAP
    for i, (box, colour) in enumerate(zip(band.boxes, BOX_COLOURS, strict=False)):
        place = (left + i * (band.crop_width + GAP), below, band.crop_width)
        crop = _picture(figure, band, panel, box, place, "nearest")
        crop.add_patch(Rectangle(box[:2], box.width, box.height, fill=False, edgecolor=colour, linewidth=2.0))
    bottom = top + band.label_lines * LINE - band.height
    _text(figure, left + band.panel_width / 2, bottom + 0.03, panel.score, size=7)


def _picture(
    figure: Figure, band: Band, panel: Panel, box: Box, place: tuple[float, float, float], interpolation: str
) -> Axes:
    """The part `box` of a picture at `place`: left, top and width in inches."""
    left, top, width = place
    height = width * box.height / box.width
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, (top - height) / up, width / across, height / up))
    axes.set_axis_off()
    extent = (0, band.size[1], band.size[0], 0)
    axes.imshow(panel.image, extent=extent, interpolation=interpolation, aspect="auto")
    axes.set_xlim(box.x, box.x + box.width)
    axes.set_ylim(box.y + box.height, box.y)
    return axes


def _text(figure: Figure, x: float, baseline: float, text: str, size: float) -> None:
    across, up = figure.get_size_inches()
    figure.text(x / across, baseline / up, text, ha="center", va="baseline", fontsize=size)
