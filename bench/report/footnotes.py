"""Footnotes, numbered as a table meets them, and the columns of metrics, each with a footnote that is its protocol."""

from __future__ import annotations

from bench.report.model import MetricInfo
from bench.report.table import Column


class Footnotes:
    """Numbers from 1 in order of first use; the same text keeps its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def number(self, *texts: str) -> tuple[int, ...]:
        return tuple(self._numbers.setdefault(text, len(self._numbers) + 1) for text in texts)

    def texts(self) -> tuple[str, ...]:
        return tuple(self._numbers)


def metric_column(metric: MetricInfo, footnotes: Footnotes) -> Column:
    parts = [metric.label]
    if metric.protocol:
        parts.append(metric.protocol)
    if metric.unavailable is not None:
        parts.append(f"n/a: {metric.unavailable}")
    return Column(
        name=metric.name,
        label=metric.label,
        group="quality",
        decimals=metric.decimals,
        direction=metric.direction,
        protocol=metric.protocol,
        reason=metric.unavailable,
        notes=footnotes.number(": ".join(parts)) if len(parts) > 1 else (),
    )
