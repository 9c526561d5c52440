"""The numbers under each picture, and which metrics span the perception-distortion plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bench.report.model import MetricInfo, Pictures, Report
from bench.report.statistics import Sample, collect_samples

DISTORTION = ("psnr", "psnr_y")
PERCEPTION = ("lpips", "dists", "fid", "kid", "swd")
ARROWS = {"up": "↑", "down": "↓"}


def axis_label(metric: MetricInfo) -> str:
    return f"{metric.label} {ARROWS[metric.direction]}"


def distortion_metric(report: Report) -> MetricInfo | None:
    """PSNR where the report has it, else the first available metric that grows with quality."""
    ups = [metric for metric in report.metrics if metric.direction == "up" and metric.unavailable is None]
    return next((metric for metric in ups if metric.name in DISTORTION), ups[0] if ups else None)


def perception_metrics(report: Report) -> list[MetricInfo]:
    """Available metrics that fall with quality, in the order of `PERCEPTION`, then of the report."""
    downs = [metric for metric in report.metrics if metric.direction == "down" and metric.unavailable is None]
    order = {name: i for i, name in enumerate(PERCEPTION)}
    return sorted(downs, key=lambda metric: order.get(metric.name, len(order)))


@dataclass(frozen=True)
class Scores:
    """`legend` says what the numbers are ("PSNR ↑ / LPIPS ↓"); `texts` by (method label, image id). `source` is the first
    row of the input, which scores the pictures of it."""

    legend: str
    texts: Mapping[tuple[str, str], str]
    source: str | None = None

    def of_input(self, image: str) -> str:
        return "" if self.source is None else self.texts[self.source, image]


def image_scores(report: Report, pictures: Pictures) -> Scores:
    """PSNR of each image, and LPIPS or the like if it is per image, of the seed that made the pictures."""
    samples = collect_samples(report.rows)
    distortion = distortion_metric(report)
    candidates = [distortion] if distortion is not None else []
    candidates += perception_metrics(report)
    per_image = [m for m in candidates if any(name == m.name and s.images != ("",) for (_, name), s in samples.items())]
    shown = per_image[:2]
    texts = {}
    for method in report.methods:
        found = [(samples.get((method.label, metric.name)), metric) for metric in shown]
        for image in pictures.images:
            numbers = [_score(sample, metric, image, pictures.seed) for sample, metric in found if sample is not None]
            texts[method.label, image] = " / ".join(number for number in numbers if number)
    source = next((method.label for method in report.methods if method.family == "input"), None)
    return Scores(" / ".join(map(axis_label, shown)), texts, source)


def _score(sample: Sample, metric: MetricInfo, image: str, seed: int | None) -> str:
    wanted = sample.seeds[0] if seed is None else seed
    if image not in sample.images or wanted not in sample.seeds:
        return ""
    value = sample.values[sample.seeds.index(wanted), sample.images.index(image)]
    # Three decimals are as much as a caption of 0.8 inches holds.
    return f"{value:.{min(metric.decimals, 3)}f}".replace("inf", "∞")
