"""Where pictures stand: panels side by side in bands, each with its zoomed crops below, bands on pages."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from numpy.typing import NDArray

from bench.report.model import Box

MAX_COLUMNS = 8
MAX_PANEL = 1.4
GAP = 0.035
LINE = 0.15
IMAGE_GAP = 0.09
TITLE = 0.17
"""Inches: the widest panel, between pictures, per line of text, between different images, a title at the left."""


@dataclass(frozen=True)
class Panel:
    """`image` (h, w, 3) may have any size; it is drawn on the pixel grid of the ground truth.

    A label in `notation` is short and ours, with TeX between dollar signs; others are names, drawn as they are.
    """

    label: str
    image: NDArray[np.uint8]
    score: str
    notation: bool = False


@dataclass(frozen=True)
class Strip:
    """Panels of one image; `size` is (height, width) of the ground truth in pixels. `title` is set at the left, upwards."""

    panels: tuple[Panel, ...]
    boxes: tuple[Box, ...]
    size: tuple[int, int]
    title: str = ""


@dataclass(frozen=True)
class Band:
    """As much of a strip as fits one line. `panel_width`, `left` and `space`, the room below the band, are in inches."""

    strip: Strip
    panel_width: float
    left: float = 0.0
    labelled: bool = True
    space: float = GAP

    @property
    def crop_height(self) -> float:
        """The same for all crops, which together are as wide as the panel unless that makes them taller than it."""
        boxes = self.strip.boxes
        if not boxes:
            return -GAP
        across = self.panel_width - GAP * (len(boxes) - 1)
        return min(across / sum(box.width / box.height for box in boxes), self.image_height)

    @property
    def image_height(self) -> float:
        return self.panel_width * self.strip.size[0] / self.strip.size[1]

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(panel.label for panel in self.strip.panels)

    @property
    def label_lines(self) -> int:
        if not self.labelled:
            return 0
        return max(len(panel_lines(panel, self.panel_width)) for panel in self.strip.panels)

    @property
    def height(self) -> float:
        """Inches, without `space`."""
        return self.label_lines * LINE + self.image_height + GAP + self.crop_height + LINE


def lay_out(groups: Sequence[Sequence[Strip]], width: float, height: float) -> list[list[Band]]:
    """Pages of bands; see `bench.report.pages.draw_pages`."""
    pages: list[list[Band]] = [[]]
    for bands in _arrange(groups, width):
        if pages[-1] and _height([*pages[-1], *bands]) > height:
            pages.append([])
        pages[-1] += bands
    return [_label_once(bands) for bands in pages if bands]


def _arrange(groups: Sequence[Sequence[Strip]], width: float) -> list[list[Band]]:
    """The bands of each group, of one panel width throughout."""
    strips = [strip for group in groups for strip in group]
    left = TITLE if any(strip.title for strip in strips) else 0.0
    columns = max((_columns(strip) for strip in strips), default=1)
    panel_width = min(MAX_PANEL, (width - left + GAP) / columns - GAP)
    arranged = []
    for group in groups:
        parts = [part for strip in group for part in _wrap(strip)]
        bands = [Band(part, panel_width, left) for part in parts]
        arranged.append([*bands[:-1], replace(bands[-1], space=IMAGE_GAP)])
    return arranged


def _columns(strip: Strip) -> int:
    """Panels per band, as equal as possible."""
    return ceil(len(strip.panels) / ceil(len(strip.panels) / MAX_COLUMNS))


def _wrap(strip: Strip) -> list[Strip]:
    columns = _columns(strip)
    firsts = range(0, len(strip.panels), columns)
    return [replace(strip, panels=strip.panels[first : first + columns]) for first in firsts]


def _label_once(bands: Sequence[Band]) -> list[Band]:
    """Labels stand only where they differ from those above."""
    above = [None, *(band.labels for band in bands)]
    labelled = [replace(band, labelled=band.labels != over) for band, over in zip(bands, above, strict=False)]
    return [*labelled[:-1], replace(labelled[-1], space=GAP)]


def _height(bands: Sequence[Band]) -> float:
    return sum(band.height + band.space for band in _label_once(bands))


def panel_lines(panel: Panel, width: float) -> list[str]:
    """The label in lines that fit `width` inches at 8 pt, whose letters are about 3.9 pt wide."""
    if panel.notation:
        return [panel.label]
    return textwrap.wrap(panel.label, max(4, int(width * 72 / 3.9))) or [""]
