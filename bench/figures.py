"""The picture figures of a finished run drawn anew, with chosen images, crops and rows. Needs neither data nor networks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import get_args

from bench.errors import BenchError
from bench.report.crops import BOX_COLOURS
from bench.report.figures import draw_pictures
from bench.report.model import Box, Pictures, Report
from bench.report.saved import load_report
from bench.report.style import Format, figure_style
from bench.report.write import write_figures


@dataclass(frozen=True)
class Crop:
    """A box in pixels of the ground truth, for one image or (None) for all."""

    box: Box
    image: str | None = None


@dataclass(frozen=True)
class Choice:
    """What to show; what is empty is left as the run has it."""

    images: tuple[str, ...] = ()
    crops: tuple[Crop, ...] = ()
    rows: tuple[str, ...] = ()


def redraw(folder: Path, choice: Choice, formats: Sequence[Format], out: Path | None = None) -> list[Path]:
    """Paths of the figures written to `out`, or over those of the run in `folder`.

    Raises BenchError: not a finished run, unknown images or rows, crops outside an image, image files that are gone.
    """
    report = load_report(folder)
    parts = choose(report, choice)
    with figure_style():
        figures = (drawn for part in parts for drawn in draw_pictures(part))
        return write_figures(out or folder / "figures", figures, formats)


def choose(report: Report, choice: Choice) -> list[Report]:
    """The parts of the report, one for each test set that has any of the chosen images, narrowed to what is to be shown."""
    parts = [(part, part.pictures) for part in (report, *report.ood) if part.pictures is not None]
    if not parts:
        raise BenchError(f"{report.name}: this run has no restored images to draw")
    known = dict.fromkeys(image for _, pictures in parts for image in pictures.ids)
    wanted = dict.fromkeys(choice.images or (image for _, pictures in parts for image in pictures.images))
    for image in wanted:
        if image not in known:
            raise BenchError(f"{report.name}: no image {image!r} in this run's test sets{_nearest(image, known)}")
    for crop in choice.crops:
        if crop.image is not None and crop.image not in wanted:
            raise BenchError(f"--crop {crop.image}:{write_box(crop.box)}: no image that is shown; add it with --images")
    narrowed = [
        replace(_with_rows(part, choice.rows), pictures=_with_images(pictures, wanted, choice.crops))
        for part, pictures in parts
    ]
    return [part for part in narrowed if part.pictures is not None and part.pictures.images]


def _with_images(pictures: Pictures, wanted: Iterable[str], crops: Sequence[Crop]) -> Pictures:
    images = tuple(image for image in wanted if image in pictures.ids)
    boxes = {image: _boxes(pictures, image, crops) for image in images}
    return replace(pictures, images=images, boxes={image: found for image, found in boxes.items() if found})


def _with_rows(part: Report, labels: Sequence[str]) -> Report:
    """Those rows in their order, and the input, whose scores stand below its picture."""
    if not labels:
        return part
    methods = {method.label: method for method in part.methods}
    for label in labels:
        if label not in methods:
            raise BenchError(f"{part.name}: this run has no row {label!r}{_nearest(label, methods)}")
        if reason := methods[label].reason:
            raise BenchError(f"{part.name}: row {label!r} has no images: {reason}")
    inputs = [method for method in part.methods if method.family == "input" and method.label not in labels]
    return replace(part, methods=(*inputs, *(methods[label] for label in dict.fromkeys(labels))))


def _boxes(pictures: Pictures, image: str, crops: Iterable[Crop]) -> tuple[Box, ...]:
    boxes = tuple(crop.box for crop in crops if crop.image in (None, image))
    if len(boxes) > len(BOX_COLOURS):
        raise BenchError(
            f"--crop: {len(boxes)} crops for image {image!r}; at most {len(BOX_COLOURS)} fit below a picture"
        )
    height, width = pictures.gt(image).shape[:2] if boxes else (0, 0)
    for box in boxes:
        if box.x + box.width > width or box.y + box.height > height:
            inside = Box(min(box.x, width - box.width), min(box.y, height - box.height), box.width, box.height)
            hint = f"; {write_box(inside)} would fit" if min(inside[:2]) >= 0 else ""
            raise BenchError(
                f"--crop {write_box(box)}: reaches out of image {image!r}, which is {width} x {height} pixels{hint}"
            )
    return boxes


def read_crop(text: str) -> Crop:
    """`x,y,width,height`, or `IMAGE:x,y,width,height` for one image. Raises BenchError on anything else."""
    image, separator, numbers = text.rpartition(":")
    try:
        box = Box(*(int(number) for number in numbers.split(",")))
    except (TypeError, ValueError):
        box = Box(0, 0, 0, 0)
    if min(box.width, box.height) < 1 or min(box.x, box.y) < 0:
        raise BenchError(
            f"--crop {text}: write [IMAGE:]x,y,width,height, whole pixels of the ground truth from its top left"
        )
    return Crop(box, image if separator else None)


def write_box(box: Box) -> str:
    return ",".join(map(str, box))


def read_formats(text: str) -> tuple[Format, ...]:
    """`png,pdf,svg` or some of them. Raises BenchError naming what is none."""
    return tuple(dict.fromkeys(_formats(text)))


def _formats(text: str) -> Iterator[Format]:
    known: tuple[Format, ...] = get_args(Format)
    for name in text.split(","):
        found = next((known_format for known_format in known if known_format == name.strip().lower()), None)
        if found is None:
            raise BenchError(f"--formats {text}: no format {name.strip()!r}; known: {', '.join(known)}")
        yield found


def _nearest(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?`, else the first of what is known: test sets may have thousands of images."""
    names = list(dict.fromkeys(known))
    near = get_close_matches(name, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names[:8])}{', ...' if len(names) > 8 else ''}"
