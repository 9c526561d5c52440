"""The figures of a report, by the names of their files. Inside `with figure_style():`, see `bench.report.style`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress

from matplotlib.figure import Figure

from bench.errors import BenchError
from bench.report.ablation import ablation_figure
from bench.report.comparison import comparison_figures
from bench.report.latency import latency_figure
from bench.report.model import MAIN_TEST, Report
from bench.report.modules import modules_figures
from bench.report.ood import ood_figure
from bench.report.plane import plane_figure
from bench.report.regressors import regressors_figures
from bench.report.statistics import Estimates
from bench.report.training import training_figure

PAGE = "_page"
"""Before the number of a second or later page."""


def draw_figures(report: Report, estimates: Estimates) -> Iterator[tuple[str, Figure]]:
    """Every figure for which the report has data, one after the other; no picture figures of a test set that lacks a file
    (the page says which), as the others need none."""
    yield from _whole_pictures(report)
    yield from _chart("perception_distortion", plane_figure(report, estimates))
    yield from _chart("quality_latency", latency_figure(report, estimates))
    yield from _chart("ablation", ablation_figure(report, estimates))
    yield from _chart("ood", ood_figure(report, estimates))
    yield from _chart("training", training_figure(report.curves) if report.curves is not None else None)
    for part in report.ood:
        yield from _whole_pictures(part)


def _whole_pictures(report: Report) -> Iterator[tuple[str, Figure]]:
    with suppress(BenchError):
        yield from draw_pictures(report)


def draw_pictures(report: Report) -> Iterator[tuple[str, Figure]]:
    """The figures that show restored images. The names of a test set outside the suite's own end with its name. Raises
    BenchError where a file is gone."""
    pictures = report.pictures
    if pictures is None or not pictures.images:
        return
    ending = "" if report.test == MAIN_TEST else f"_{re.sub(r'[^A-Za-z0-9.-]+', '-', report.test)}"
    yield from _pages(f"comparison{ending}", comparison_figures(report, pictures))
    yield from _pages(f"modules{ending}", modules_figures(report, pictures))
    yield from _pages(f"regressors{ending}", regressors_figures(report, pictures))


def _chart(name: str, figure: Figure | None) -> Iterator[tuple[str, Figure]]:
    if figure is not None:
        yield name, figure


def _pages(name: str, figures: Sequence[Figure]) -> Iterator[tuple[str, Figure]]:
    for number, figure in enumerate(figures, start=1):
        yield (name if number == 1 else f"{name}{PAGE}{number}"), figure
