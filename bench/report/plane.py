"""The perception-distortion plane (Blau and Michaeli, CVPR 2018): PSNR on x, a perceptual distance on y."""

from __future__ import annotations

from math import isfinite

from matplotlib.figure import Figure

from bench.report.model import MetricInfo, Report
from bench.report.scatter import Measure, Panel, Point, quality, scatter_figure, spans_decades
from bench.report.scores import axis_label, distortion_metric, perception_metrics
from bench.report.statistics import Estimates

MAX_PANELS = 3


def plane_figure(report: Report, estimates: Estimates) -> Figure | None:
    """A panel for each of up to three perceptual metrics; None when no two methods have both coordinates."""
    x = distortion_metric(report)
    if x is None:
        return None
    panels = [_panel(report, estimates, x, y) for y in perception_metrics(report)]
    panels = [panel for panel in panels if len(panel.points) > 1][:MAX_PANELS]
    return scatter_figure(panels, report.methods) if panels else None


def _panel(report: Report, estimates: Estimates, x: MetricInfo, y: MetricInfo) -> Panel:
    points: dict[str, Point] = {}
    for method in report.methods:
        across, up = estimates.get((method.label, x.name)), estimates.get((method.label, y.name))
        if across is not None and up is not None and isfinite(across.value) and isfinite(up.value):
            points[method.label] = (quality(across), quality(up))
    log = bool(points) and spans_decades([up for _, up in points.values()])
    return Panel(Measure(axis_label(x), x.direction), Measure(axis_label(y), y.direction, log), points)
