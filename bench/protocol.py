"""Protocol ids: everything that a metric's number depends on, in one line, without computing it."""

from __future__ import annotations

from functools import lru_cache

from bench import metrics
from bench.metrics.base import SetMetric


@lru_cache(maxsize=64)
def protocol_id(name: str, images: int) -> str:
    """The metric's protocol; a set metric's names the number of images too. Raises Unavailable as `metrics.create`."""
    metric = metrics.create(name)
    return metric.protocol_for(images) if isinstance(metric, SetMetric) else metric.protocol
