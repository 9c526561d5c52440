"""What quality costs: PSNR and a perceptual distance against the time for one image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from math import isfinite

from matplotlib.figure import Figure

from bench.report.model import Latency, MetricInfo, Report
from bench.report.scatter import Coordinate, Measure, Panel, Point, quality, scatter_figure, spans_decades
from bench.report.scores import axis_label, distortion_metric, perception_metrics
from bench.report.statistics import Estimates


def latency_figure(report: Report, estimates: Estimates) -> Figure | None:
    """A panel for the distortion metric and one for the first perceptual metric that has values; None without two methods.

    Shown are the rows that were timed on the device on which most were. Bars across are the 10th to 90th percentile. The
    input, which takes no time, is a line.
    """
    timed = _timed(report)
    perceptual = (_panel(report, estimates, timed, metric) for metric in perception_metrics(report))
    first = next((panel for panel in perceptual if len(panel.points) > 1), None)
    distortion = distortion_metric(report)
    panels = [] if distortion is None else [_panel(report, estimates, timed, distortion)]
    panels = [panel for panel in (*panels, first) if panel is not None and len(panel.points) > 1]
    if not panels:
        return None
    device = next(iter(timed.values())).device
    return scatter_figure(panels, report.methods, f"Time for one image on {device}")


def _timed(report: Report) -> dict[str, Latency]:
    found = {
        method.label: method.latency
        for method in report.methods
        if method.latency is not None and method.latency.p10 > 0 and method.family != "input"
    }
    devices = Counter(latency.device for latency in found.values())
    if not devices:
        return {}
    device = devices.most_common(1)[0][0]
    return {label: latency for label, latency in found.items() if latency.device == device}


def _panel(report: Report, estimates: Estimates, timed: Mapping[str, Latency], metric: MetricInfo) -> Panel:
    points: dict[str, Point] = {}
    for label, latency in timed.items():
        found = estimates.get((label, metric.name))
        if found is not None and isfinite(found.value):
            points[label] = (Coordinate(latency.median, latency.p10, latency.p90), quality(found))
    inputs = [estimates.get((method.label, metric.name)) for method in report.methods if method.family == "input"]
    level = next((found.value for found in inputs if found is not None and isfinite(found.value)), None)
    log = bool(points) and spans_decades([up for _, up in points.values()])
    across = Measure("Latency (ms) ↓", "down", log=True)
    return Panel(across, Measure(axis_label(metric), metric.direction, log), points, level)
