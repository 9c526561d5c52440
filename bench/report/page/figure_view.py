"""A figure in the page: what is written below it, and how wide it is."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from bench.report.figures import PAGE
from bench.report.page.embedding import embed_figure

PICTURES: Final[Mapping[str, str]] = MappingProxyType({
    "comparison": "Input, methods and ground truth; crops where the methods disagree about fine detail.",
    "modules": "From the input to the result: the images inside each method.",
    "regressors": "Each regression network alone and with what is built on it.",
})  # fmt: skip
CHARTS: Final[Mapping[str, str]] = MappingProxyType({
    "perception_distortion": "The perception-distortion plane: fidelity against perceptual distance.",
    "quality_latency": "Quality against latency.",
    "ablation": "What each change costs or gains.",
    "ood": "Quality on other test sets.",
    "training": "Training losses.",
})  # fmt: skip


class FigureView(NamedTuple):
    """A figure of the page, over its whole width if it shows pictures."""

    uri: str
    caption: str
    wide: bool


def figure_view(name: str, content: bytes) -> FigureView:
    """Of a PNG or SVG file. `name` is a kind of figure, with a test set's name, the number of a page or both behind it."""
    captions = {**PICTURES, **CHARTS}
    stem, _, page = name.partition(PAGE)
    kind = next((kind for kind in captions if stem == kind or stem.startswith(f"{kind}_")), stem)
    caption = captions.get(kind, f"{kind.replace('_', ' ').capitalize()}.")
    where = f" Test set {stem.removeprefix(f'{kind}_')}." if stem != kind else ""
    number = f" Page {page}." if page else ""
    return FigureView(embed_figure(content), f"{caption}{where}{number}", kind in PICTURES)
