"""The images inside UGPNet (Figs. 3 and 7): what each module makes of an input, and what the fusion makes of both."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bench.metrics.fidelity import Psnr
from bench.report.bands import Panel, Strip
from bench.report.crops import find_boxes
from bench.report.model import MethodInfo, Pictures, Report
from bench.report.pages import draw_pages
from bench.report.scores import distortion_metric

PARTS = {"x_reg": r"$x_\mathrm{reg}$ (regression)", "x_syn": r"$x_\mathrm{syn}$ (synthesis)"}
LABELS = (r"$x$ (input)", *PARTS.values(), r"$\hat{x}$ (fusion)", "Ground truth")
"""The paper's notation, each with what it is."""


def modules_figures(report: Report, pictures: Pictures) -> list[Figure]:
    """A band for each image and each row whose parts were kept; none where no row has any.

    The numbers are the PSNR of the 8-bit pictures drawn, hence for the result the value in the report's rows.
    """
    shown = [method for method in report.methods if method.reason is None and _complete(pictures, method)]
    if not shown:
        return []
    return draw_pages([_group(report, pictures, shown, image) for image in pictures.images])


def _complete(pictures: Pictures, method: MethodInfo) -> bool:
    return method.label in pictures.restored and PARTS.keys() <= pictures.parts.get(method.label, {}).keys()


def _group(report: Report, pictures: Pictures, shown: Sequence[MethodInfo], image: str) -> list[Strip]:
    """One strip for each row, all with the same crops, titled where there are several."""
    lq, gt = pictures.lq(image), pictures.gt(image)
    metric = distortion_metric(report)
    on_luma = metric is not None and metric.name == "psnr_y"
    psnr, legend = (Psnr("y"), "PSNR-Y ↑") if on_luma else (Psnr("rgb"), "PSNR ↑")
    made = {
        method.label: [
            *(pictures.parts[method.label][name](image) for name in PARTS),
            pictures.restored[method.label](image),
        ]
        for method in shown
    }
    boxes = find_boxes(pictures, image, [picture for row in made.values() for picture in row])
    strips = []
    for title, row in made.items():
        scores = [*(_score(psnr, picture, gt) for picture in (lq, *row)), legend]
        columns = zip(LABELS, (lq, *row, gt), scores, strict=True)
        panels = tuple(Panel(label, picture, score, notation=True) for label, picture, score in columns)
        strips.append(Strip(panels, boxes, (gt.shape[0], gt.shape[1]), title if len(shown) > 1 else ""))
    return strips


def _score(psnr: Psnr, picture: NDArray[np.uint8], gt: NDArray[np.uint8]) -> str:
    """Empty for a smaller input, which has no PSNR."""
    if picture.shape != gt.shape:
        return ""
    return f"{psnr.score(picture, gt):.2f}".replace("inf", "∞")
