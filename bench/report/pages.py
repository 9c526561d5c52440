"""Draws bands of pictures on pages of a paper's height."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from bench.report.bands import GAP, LINE, Band, Panel, Strip, lay_out, panel_lines
from bench.report.crops import BOX_COLOURS
from bench.report.model import Box
from bench.report.style import PAGE_HEIGHT, TWO_COLUMNS


def draw_pages(
    groups: Sequence[Sequence[Strip]], width: float = TWO_COLUMNS, height: float = PAGE_HEIGHT
) -> list[Figure]:
    """Figures at most `width` inches wide, each at most `height` tall unless a single group is taller.

    The strips of a group, which show one image, stay together. A strip of more than `MAX_COLUMNS` panels becomes several
    bands. Whole images are scaled by bicubic interpolation; crops show the pixels as they are (nearest neighbour).
    """
    return [_draw_page(bands) for bands in lay_out(groups, width, height)]


def _draw_page(bands: Sequence[Band]) -> Figure:
    columns = max(len(band.strip.panels) for band in bands)
    width = bands[0].left + columns * (bands[0].panel_width + GAP) - GAP
    figure = Figure(figsize=(width, sum(band.height + band.space for band in bands)))
    top = figure.get_figheight()
    for band in bands:
        _draw_band(figure, band, top)
        top -= band.height + band.space
    return figure


def _draw_band(figure: Figure, band: Band, top: float) -> None:
    below = top - band.label_lines * LINE
    for i, panel in enumerate(band.strip.panels):
        left = band.left + i * (band.panel_width + GAP)
        if band.labelled:
            for j, line in enumerate(reversed(panel_lines(panel, band.panel_width))):
                place = (left + band.panel_width / 2, below + 0.045 + j * LINE)
                _text(figure, place, line, size=8, notation=panel.notation)
        _draw_panel(figure, band, panel, left, below)
    middle = below - (band.image_height + GAP + band.crop_height) / 2
    if band.strip.title:
        across, up = figure.get_size_inches()
        figure.text(
            0.09 / across, middle / up, band.strip.title, ha="center", va="center", rotation="vertical", fontsize=8
        )


def _draw_panel(figure: Figure, band: Band, panel: Panel, left: float, top: float) -> None:
    size, boxes = band.strip.size, band.strip.boxes
    whole = Box(0, 0, size[1], size[0])
    axes = _picture(figure, panel, size, whole, (left, top, band.panel_width), "bicubic")
    for box, colour in zip(boxes, BOX_COLOURS, strict=False):
        axes.add_patch(Rectangle(box[:2], box.width, box.height, fill=False, edgecolor=colour, linewidth=0.9))
    below = top - band.image_height - GAP
    widths = [band.crop_height * box.width / box.height for box in boxes]
    start = left + (band.panel_width - sum(widths) - GAP * (len(boxes) - 1)) / 2
    for box, colour, width in zip(boxes, BOX_COLOURS, widths, strict=False):
        crop = _picture(figure, panel, size, box, (start, below, width), "nearest")
        crop.add_patch(Rectangle(box[:2], box.width, box.height, fill=False, edgecolor=colour, linewidth=2.0))
        start += width + GAP
    baseline = below - band.crop_height - LINE + 0.03
    _text(figure, (left + band.panel_width / 2, baseline), panel.score, size=7)


def _picture(
    figure: Figure,
    panel: Panel,
    size: tuple[int, int],
    box: Box,
    place: tuple[float, float, float],
    interpolation: str,
) -> Axes:
    """The part `box` of a picture at `place`: left, top and width in inches."""
    left, top, width = place
    height = width * box.height / box.width
    across, up = figure.get_size_inches()
    axes = figure.add_axes((left / across, (top - height) / up, width / across, height / up))
    axes.set_axis_off()
    axes.imshow(panel.image, extent=(0, size[1], size[0], 0), interpolation=interpolation, aspect="auto")
    axes.set_xlim(box.x, box.x + box.width)
    axes.set_ylim(box.y + box.height, box.y)
    return axes


def _text(figure: Figure, place: tuple[float, float], text: str, size: float, notation: bool = False) -> None:
    """Centred, its baseline at `place` in inches."""
    across, up = figure.get_size_inches()
    centred = figure.text(place[0] / across, place[1] / up, text, ha="center", va="baseline", fontsize=size)
    centred.set_parse_math(notation)
