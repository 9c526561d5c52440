"""What the image browser shows of a test set: as many images as the page can hold, with their scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bench.errors import BenchError
from bench.report.model import Family, Loader, Pictures, Report
from bench.report.page.embedding import embed_image
from bench.report.page.extremes import Extremes, ImageScores, choose_images, find_extremes, picture_scores

PAGE_IMAGES = 24
"""Images of one test set that the page shows at most."""

PAGE_BYTES = 20_000_000
"""Of all pictures in the page; the first image of a test set is shown whatever its size."""

Kind: TypeAlias = Literal["lq", "method", "part", "gt"]


@dataclass(frozen=True)
class View:
    """One of the pictures that there are of every image. `method`: the row whose scores belong below it, if any."""

    label: str
    kind: Kind
    loader: Loader
    family: Family | None = None
    method: str | None = None


@dataclass(frozen=True)
class Picture:
    """`uri`, or where there is none, why (`missing`)."""

    uri: str = ""
    missing: str = ""
    width: int = 0
    height: int = 0


@dataclass(frozen=True)
class Shown:
    """An image with a picture per view; `width` and `height` in pixels of the ground truth."""

    image: str
    pictures: tuple[Picture, ...]

    @property
    def size(self) -> int:
        return sum(len(picture.uri) for picture in self.pictures)

    @property
    def frame(self) -> tuple[int, int]:
        """Width and height of the ground truth, the last view; of the widest picture where that is missing."""
        gt = self.pictures[-1]
        found = gt if gt.uri else max(self.pictures, key=lambda picture: picture.width)
        return max(1, found.width), max(1, found.height)


@dataclass(frozen=True)
class Gallery:
    """`total` counts the test set, of which `images` are shown."""

    report: Report
    views: tuple[View, ...]
    images: tuple[Shown, ...]
    total: int
    scores: ImageScores
    extremes: tuple[Extremes, ...]


def make_galleries(report: Report) -> list[Gallery]:
    """One per test set with pictures, which share `PAGE_BYTES`."""
    parts = [part for part in (report, *report.ood) if part.pictures is not None]
    galleries = [_gallery(part, part.pictures, PAGE_BYTES // len(parts)) for part in parts if part.pictures]
    return [gallery for gallery in galleries if gallery.images]


def _gallery(report: Report, pictures: Pictures, budget: int) -> Gallery:
    ids = pictures.ids or pictures.images
    scores = picture_scores(report, pictures)
    extremes = find_extremes(report, scores, ids)
    views = tuple(_views(report, pictures))
    shown = _load(choose_images(pictures, extremes), views, budget)
    place = {image: i for i, image in enumerate(ids)}
    in_order = sorted(shown, key=lambda found: place.get(found.image, len(ids)))
    return Gallery(report, views, tuple(in_order), len(ids), scores, tuple(extremes))


def _views(report: Report, pictures: Pictures) -> Iterator[View]:
    """Input, every method with the images inside it, ground truth."""
    source = next((method.label for method in report.methods if method.family == "input"), None)
    yield View("Input", "lq", pictures.lq, "input", source)
    for method in report.methods:
        if method.label == source or method.label not in pictures.restored:
            continue
        yield View(method.label, "method", pictures.restored[method.label], method.family, method.label)
        for part, loader in pictures.parts.get(method.label, {}).items():
            yield View(f"{method.label}: {part}", "part", loader, method.family)
    yield View("Ground truth", "gt", pictures.gt)


def _load(images: Sequence[str], views: Sequence[View], budget: int) -> list[Shown]:
    shown: list[Shown] = []
    used = 0
    for image in images[:PAGE_IMAGES]:
        found = Shown(image, tuple(_picture(view, image) for view in views))
        used += found.size
        if used > budget and shown:
            break
        shown.append(found)
    return shown


def _picture(view: View, image: str) -> Picture:
    try:
        pixels = view.loader(image)
    except BenchError as error:
        return Picture(missing=str(error))
    return Picture(embed_image(pixels), width=pixels.shape[1], height=pixels.shape[0])


def missing_pictures(gallery: Gallery) -> Iterator[str]:
    """A warning for each view that lacks pictures."""
    for i, view in enumerate(gallery.views):
        lacking = [shown for shown in gallery.images if shown.pictures[i].missing]
        if lacking:
            which = ", ".join(shown.image for shown in lacking[:3]) + (", ..." if len(lacking) > 3 else "")
            yield f"{view.label}: no picture of {which}: {lacking[0].pictures[i].missing}"
