"""The paper's comparison figure (Figs. 5 and 6): input, methods and ground truth side by side, with crops and scores."""

from __future__ import annotations

from matplotlib.figure import Figure

from bench.report.bands import Panel, Strip
from bench.report.crops import find_boxes
from bench.report.model import Pictures, Report
from bench.report.pages import draw_pages
from bench.report.scores import Scores, image_scores


def comparison_figures(report: Report, pictures: Pictures) -> list[Figure]:
    """Every row of the report that has pictures, for each image; as many pages as they need."""
    scores = image_scores(report, pictures)
    return draw_pages([[_strip(report, pictures, scores, image)] for image in pictures.images])


def _strip(report: Report, pictures: Pictures, scores: Scores, image: str) -> Strip:
    shown = [
        method.label
        for method in report.methods
        if method.label in pictures.restored and method.reason is None and method.label != scores.source
    ]
    restored = {label: pictures.restored[label](image) for label in shown}
    gt = pictures.gt(image)
    # The first input row scores the input column, and is no column of its own.
    panels = [Panel("Input", pictures.lq(image), scores.of_input(image))]
    panels += [Panel(label, picture, scores.texts[label, image]) for label, picture in restored.items()]
    panels += [Panel("Ground truth", gt, scores.legend if any(panel.score for panel in panels) else "")]
    return Strip(tuple(panels), find_boxes(pictures, image, list(restored.values())), (gt.shape[0], gt.shape[1]))
