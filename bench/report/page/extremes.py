"""Scores of single images, and each method's worst and best among them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from typing import TypeAlias

from bench.report.model import MetricInfo, Pictures, Report
from bench.report.scores import distortion_metric, perception_metrics
from bench.report.statistics import Sample, collect_samples

ImageScores: TypeAlias = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Values by metric name, method label and image id; metrics of a whole set and missing values do not occur."""


@dataclass(frozen=True)
class Extremes:
    """Ids of the images on which a method does worst and best by one metric."""

    metric: str
    method: str
    worst: str
    best: str


def picture_scores(report: Report, pictures: Pictures) -> ImageScores:
    """The scores of the images in `pictures`, of the seed that made them, the telling metrics first."""
    samples = collect_samples(report.rows)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for metric in _by_importance(report):
        methods = {
            method.label: _image_values(samples[method.label, metric.name], pictures.seed)
            for method in report.methods
            if (method.label, metric.name) in samples
        }
        methods = {label: values for label, values in methods.items() if values}
        if methods:
            found[metric.name] = methods
    return found


def _by_importance(report: Report) -> Sequence[MetricInfo]:
    """The metrics of the perception-distortion plane first."""
    distortion = distortion_metric(report)
    first = [*([distortion] if distortion is not None else []), *perception_metrics(report)]
    return list(dict.fromkeys([*first, *report.metrics]))


def _image_values(sample: Sample, seed: int | None) -> dict[str, float]:
    wanted = sample.seeds[0] if seed is None else seed
    if wanted not in sample.seeds:
        return {}
    values = sample.values[sample.seeds.index(wanted)].tolist()
    return {
        image: value for image, value in zip(sample.images, values, strict=True) if image != "" and not isnan(value)
    }


def find_extremes(report: Report, scores: ImageScores, ids: Sequence[str]) -> list[Extremes]:
    """Of every metric and method; the earlier of `ids` where two score the same."""
    directions = {metric.name: metric.direction for metric in report.metrics}
    found = []
    for metric, by_method in scores.items():
        sign = 1 if directions[metric] == "up" else -1
        for method, values in by_method.items():
            known = [image for image in ids if image in values]
            if known:
                quality = {image: sign * values[image] for image in known}
                worst, best = min(known, key=quality.__getitem__), max(known, key=quality.__getitem__)
                found.append(Extremes(metric, method, worst, best))
    return found


def choose_images(pictures: Pictures, extremes: Sequence[Extremes]) -> list[str]:
    """Every id, the most telling first: those of the suite's figure, each method's worst, then its best, by one metric
    after the other, then the order of the test set."""
    telling = list(pictures.images)
    for metric in dict.fromkeys(found.metric for found in extremes):
        of_metric = [found for found in extremes if found.metric == metric]
        telling += [found.worst for found in of_metric] + [found.best for found in of_metric]
    return list(dict.fromkeys([*telling, *(pictures.ids or pictures.images)]))
