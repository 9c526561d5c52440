"""One framework, any regression network (Fig. 4): each regressor's own result above UGPNet's with that regressor."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.figure import Figure

from bench.report.bands import MAX_COLUMNS, Panel, Strip
from bench.report.crops import find_boxes
from bench.report.model import Pictures, Report
from bench.report.pages import draw_pages
from bench.report.scores import Scores, image_scores


def regressors_figures(report: Report, pictures: Pictures) -> list[Figure]:
    """A column for each regressor below which UGPNet stands, input and ground truth in the first; none for less than two."""
    pairs = regressor_pairs(report, pictures)
    if len(pairs) < 2:
        return []
    scores = image_scores(report, pictures)
    return draw_pages([_group(pictures, scores, pairs, image) for image in pictures.images])


def regressor_pairs(report: Report, pictures: Pictures) -> dict[str, str]:
    """The first row with pictures that is built upon each regressor, variants of an ablation aside, by regressor."""
    pairs: dict[str, str] = {}
    usable = {method.label for method in report.methods if method.reason is None and method.label in pictures.restored}
    for method in report.methods:
        if method.regressor in usable and method.label in usable and method.variant is None:
            pairs.setdefault(method.regressor, method.label)
    return pairs


def _group(pictures: Pictures, scores: Scores, pairs: Mapping[str, str], image: str) -> list[Strip]:
    """An upper and a lower strip for as many pairs as fit a line beside input and ground truth."""
    gt = pictures.gt(image)
    columns = [
        tuple(Panel(label, pictures.restored[label](image), scores.texts[label, image]) for label in pair)
        for pair in pairs.items()
    ]
    boxes = find_boxes(pictures, image, [panel.image for column in columns for panel in column])
    first = (Panel("Input", pictures.lq(image), scores.of_input(image)), Panel("Ground truth", gt, scores.legend))
    strips = []
    for start in range(0, len(columns), MAX_COLUMNS - 1):
        lines = zip(first, *columns[start : start + MAX_COLUMNS - 1], strict=True)
        strips += [Strip(line, boxes, (gt.shape[0], gt.shape[1])) for line in lines]
    return strips
