"""A gallery as plain data for the page's script. Numbers are formatted and marked here, by the rules of the tables."""

from __future__ import annotations

from collections.abc import Mapping
from math import isfinite
from typing import Any

from bench.report.model import MetricInfo
from bench.report.page.extremes import Extremes
from bench.report.page.gallery import PAGE_BYTES, PAGE_IMAGES, Gallery, Shown
from bench.report.statistics import rank
from bench.report.table import format_number


def gallery_data(gallery: Gallery) -> dict[str, Any]:
    """One test set: its metrics, methods and views, and for each image the pictures in the order of the views."""
    report = gallery.report
    metrics = [_metric(gallery, name) for name in gallery.scores]
    return {
        "name": report.test,
        "note": _note(gallery),
        "metrics": [{"name": m.name, "label": m.label, "direction": m.direction} for m in metrics],
        "methods": [{"label": m.label, "family": m.family} for m in report.methods if _is_scored(gallery, m.label)],
        "views": [
            {"label": v.label, "kind": v.kind, "family": v.family, "method": v.method} for v in gallery.views
        ],
        "images": [_image_data(gallery, shown) for shown in gallery.images],
        "extremes": [_extremes_data(gallery, found) for found in gallery.extremes],
    }  # fmt: skip


def _note(gallery: Gallery) -> str:
    shown, total = len(gallery.images), gallery.total
    if shown == total:
        return f"All {total} images of this test set."
    limit = f", as many as fit into {PAGE_BYTES // 1_000_000} MB" if shown < min(total, PAGE_IMAGES) else ""
    return (
        f"{shown} of {total} images{limit}: those of the figure, each method's worst and best cases in the whole test set, "
        "then the first ones."
    )


def _is_scored(gallery: Gallery, method: str) -> bool:
    return any(method in by_method for by_method in gallery.scores.values())


def _extremes_data(gallery: Gallery, found: Extremes) -> dict[str, Any]:
    """Images that are not in the page are named here too, with their scores."""
    decimals = _metric(gallery, found.metric).decimals
    values = gallery.scores[found.metric][found.method]
    ends = {
        end: {"id": image, "text": format_number(values[image], decimals)}
        for end, image in (("worst", found.worst), ("best", found.best))
    }
    return {"metric": found.metric, "method": found.method, **ends}


def _metric(gallery: Gallery, name: str) -> MetricInfo:
    return next(metric for metric in gallery.report.metrics if metric.name == name)


def _image_data(gallery: Gallery, shown: Shown) -> dict[str, Any]:
    width, height = shown.frame
    pictures = [{"uri": p.uri} if p.uri else {"missing": p.missing} for p in shown.pictures]
    scores = {name: _score_data(gallery, name, shown.image) for name in gallery.scores}
    return {"id": shown.image, "width": width, "height": height, "pictures": pictures, "scores": scores}


def _score_data(gallery: Gallery, metric: str, image: str) -> Mapping[str, Any]:
    """By method: the printed number, its mark among the methods, and the value with its sign such that more is better."""
    about = _metric(gallery, metric)
    values = {label: found[image] for label, found in gallery.scores[metric].items() if image in found}
    ranked = {method.label for method in gallery.report.methods if method.family != "input"}
    marks = rank({label: value for label, value in values.items() if label in ranked}, about.direction, about.decimals)
    sign = 1 if about.direction == "up" else -1
    return {
        label: {
            "text": format_number(value, about.decimals),
            "mark": marks.get(label),
            "quality": _finite(sign * value),
        }
        for label, value in values.items()
    }


def _finite(value: float) -> float | str:
    """JSON has no infinity; JavaScript's Number() reads these words."""
    if isfinite(value):
        return value
    return "Infinity" if value > 0 else "-Infinity"
