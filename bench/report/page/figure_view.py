"""A figure in the page: what is written below it, and how wide it is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from bench.report.figures import PAGE
from bench.report.page.embedding import embed_figure, figure_width

CAPTIONS: Final[Mapping[str, str]] = MappingProxyType({
    "perception_distortion": "The perception-distortion plane: fidelity against perceptual distance.",
    "quality_latency": "Quality against latency.",
    "ablation": "What each change costs or gains.",
    "ood": "Quality on other test sets.",
    "comparison": "Input, methods and ground truth; crops where the methods disagree about fine detail.",
    "modules": "From the input to the result: the images inside each method.",
    "regressors": "Each regression network alone and with what is built on it.",
    "training": "Training losses.",
})  # fmt: skip
"""By kind, in the order of the page: what the tables say, then what it looks like; the trainings are for those who ask."""

PICTURES: Final = frozenset({"comparison", "modules", "regressors"})
"""Kinds that show images, over the whole width of the page."""


SCALE: Final = 0.52
"""CSS pixels per pixel of a PNG of 200 dpi: figures made for a page of paper, 8 % larger than there, all at one scale."""


class FigureView(NamedTuple):
    """A figure of the page; `place` in its order, `width` in CSS pixels (None: the file's own)."""

    place: int
    uri: str
    width: int | None
    caption: str
    wide: bool


def figure_view(name: str, content: bytes, captions: Mapping[str, str] = CAPTIONS) -> FigureView:
    """Of a PNG or SVG file. `name` is a kind of figure, with a test set's name, the number of a page or both behind it;
    figures come in the order of their captions."""
    stem, _, page = name.partition(PAGE)
    kind = next((kind for kind in captions if stem == kind or stem.startswith(f"{kind}_")), stem)
    caption = captions.get(kind, f"{kind.replace('_', ' ').capitalize()}.")
    where = f" Test set {stem.removeprefix(f'{kind}_')}." if stem != kind else ""
    number = f" Page {page}." if page else ""
    place = [*captions, kind].index(kind)
    width = figure_width(content)
    scaled = None if width is None else round(SCALE * width)
    return FigureView(place, embed_figure(content), scaled, f"{caption}{where}{number}", kind in PICTURES)
