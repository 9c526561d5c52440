"""Places of rows: best and second best of a column, and the mean over columns. The input is never ranked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from bench.report.model import MethodInfo, MetricInfo
from bench.report.statistics import Estimates, Mark, rank

FEWEST_METRICS = 2
FEWEST_ROWS = 3


def rank_rows(metric: MetricInfo, methods: Sequence[MethodInfo], estimates: Estimates) -> dict[str, Mark]:
    """Best and second best of a column by row label."""
    return rank(_values(metric, methods, estimates), metric.direction, metric.decimals)


def mean_ranks(metrics: Sequence[MetricInfo], methods: Sequence[MethodInfo], estimates: Estimates) -> dict[str, float]:
    """Mean place over `metrics` by row label, of the rows that have all of them; {} for too few metrics or rows.

    Places are judged at the printed precision; equal values share the mean of their places (Demšar 2006).
    """
    columns = [_values(metric, methods, estimates) for metric in metrics]
    complete = [method.label for method in methods if all(method.label in column for column in columns)]
    if len(metrics) < FEWEST_METRICS or len(complete) < FEWEST_ROWS:
        return {}
    places = [
        pd.Series([_cost(column[label], metric) for label in complete]).rank()
        for metric, column in zip(metrics, columns, strict=True)
    ]
    return dict(zip(complete, np.mean(places, axis=0).tolist(), strict=True))


def ranked_metrics(metrics: Sequence[MetricInfo], estimates: Estimates) -> list[MetricInfo]:
    """Those of which there is any value."""
    names = {name for _, name in estimates}
    return [metric for metric in metrics if metric.name in names]


def _cost(value: float, metric: MetricInfo) -> float:
    printed = round(value, metric.decimals)
    return -printed if metric.direction == "up" else printed


def _values(metric: MetricInfo, methods: Sequence[MethodInfo], estimates: Estimates) -> Mapping[str, float]:
    return {
        method.label: estimates[method.label, metric.name].value
        for method in methods
        if method.family != "input" and (method.label, metric.name) in estimates
    }
