"""Quality against latency, ablations, and other test sets: which marks stand where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bench.report.ablation import BETTER, PALE, WORSE, ablation_figure
from bench.report.latency import latency_figure
from bench.report.model import COLUMNS, Family, Latency, MethodInfo, MetricInfo, Report
from bench.report.ood import ood_figure
from bench.report.panelgrid import signed
from bench.report.statistics import estimate_rows
from bench.report.style import ONE_COLUMN, TWO_COLUMNS, figure_style, render_figure

PSNR = MetricInfo("psnr", "PSNR", "up", 2, "p")
LPIPS = MetricInfo("lpips", "LPIPS", "down", 4, "l")
SWD = MetricInfo("swd", "SWD", "down", 2, "w")
IMAGES = tuple(f"i{n}" for n in range(12))
GPU, CPU = "GPU, CUDA events", "CPU, 2 threads"


def method(label: str, family: Family, milliseconds: float = 10.0, device: str = GPU, **more: str) -> MethodInfo:
    latency = Latency(milliseconds, milliseconds * 0.8, milliseconds * 1.5, device)
    return MethodInfo(label, family, latency=latency, **more)  # type: ignore[arg-type]


METHODS = (
    method("input", "input", 0.001),
    method("nafnet", "regression", 20),
    method("gfpgan", "generative", 8),
    method("ugpnet", "hybrid", 60),
    method("ugpnet w/o R_se, R_mg", "hybrid", 50, base="ugpnet", variant="w/o R_se, R_mg"),
    method(
        "ugpnet with a longer name", "hybrid", 55, base="ugpnet", variant="a much smaller fusion module of two blocks"
    ),
)
LEVELS = {"input": 20.0, "nafnet": 28.0, "gfpgan": 22.0, "ugpnet": 26.0, METHODS[4].label: 25.0, METHODS[5].label: 26.0}


def make_report(
    test: str = "test", change: dict[str, float] | None = None, methods: tuple[MethodInfo, ...] = METHODS
) -> Report:
    """PSNR at `LEVELS` (plus `change`), LPIPS a fiftieth less of one, SWD its double; noise that only the last row has."""
    rows = []
    images = np.random.default_rng(1).normal(0, 2, len(IMAGES))
    for row in methods:
        own = np.random.default_rng(len(row.label)).normal(0, 1, len(IMAGES)) if row is METHODS[5] else 0 * images
        psnr = LEVELS[row.label] + (change or {}).get(row.label, 0.0) + images + own - own.mean()
        for image, value in zip(IMAGES, psnr, strict=True):
            rows.append(("r", test, row.label, "", 1, image, "psnr", value, "k"))
            rows.append(("r", test, row.label, "", 1, image, "lpips", 1 - value / 50, "k"))
        rows.append(("r", test, row.label, "", 1, "", "swd", 2 * LEVELS[row.label], "k"))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return Report("s", frame, (PSNR, LPIPS, SWD), methods, test=test)


def latency(report: Report) -> Figure | None:
    with figure_style():
        return latency_figure(report, estimate_rows(report.rows))


def ablation(report: Report) -> Figure | None:
    with figure_style():
        return ablation_figure(report, estimate_rows(report.rows))


def ood(report: Report) -> Figure | None:
    with figure_style():
        return ood_figure(report, estimate_rows(report.rows))


def shifted(*changes: dict[str, float]) -> Report:
    others = tuple(make_report(f"set {i}", change) for i, change in enumerate(changes))
    return replace(make_report(), ood=others)


def beside(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def assert_texts_apart(figure: Figure) -> None:
    with figure_style():  # ticks are as many as their labels' size in the style lets fit
        figure.draw_without_rendering()
        named = [(*axes.texts, *axes.get_yticklabels(), axes.xaxis.label) for axes in figure.axes]
        texts = [text for group in named for text in group if text.get_text()]
        texts += [entry for legend in figure.legends for entry in legend.get_texts()]
        boxes = [Text.get_window_extent(text) for text in texts]
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if Bbox.overlaps(a, b)]
    assert all(figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1 for box in boxes)


def test_latency_has_quality_and_perception_over_a_logarithmic_time() -> None:
    figure = latency(make_report())
    assert figure is not None
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["PSNR ↑", "LPIPS ↓"]
    assert all(axes.get_xscale() == "log" for axes in figure.axes)
    assert figure.get_figwidth() == TWO_COLUMNS
    labels = sorted(text.get_text() for text in figure.axes[0].texts)
    assert labels == sorted(row.label for row in METHODS if row.family != "input")
    bars = [line.get_xdata() for line in figure.axes[0].lines]
    assert any(np.allclose(bar, (8 * 0.8, 8 * 1.5)) for bar in bars if len(bar) == 2)
    mean = make_report().rows.query("method == 'input' and metric == 'psnr'").value.mean()
    assert any(np.allclose(line.get_ydata(), mean) for line in figure.axes[0].lines if line.is_dashed())
    assert_texts_apart(figure)


def test_latency_keeps_to_the_device_that_timed_most() -> None:
    elsewhere = tuple(method(row.label, row.family, 5, CPU) if row.label == "gfpgan" else row for row in METHODS)
    figure = latency(make_report(methods=elsewhere))
    assert figure is not None
    assert "gfpgan" not in beside(figure.axes[0])
    assert GPU in figure.get_supxlabel()


def test_latency_without_timings_or_quality_is_no_figure() -> None:
    untimed = tuple(replace(row, latency=None) for row in METHODS)
    assert latency(make_report(methods=untimed)) is None
    assert latency(replace(make_report(), metrics=())) is None
    one = latency(replace(make_report(), metrics=(PSNR,)))
    assert one is not None
    assert one.get_figwidth() == ONE_COLUMN


def test_ablation_has_a_bar_for_each_variant_below_its_base() -> None:
    figure = ablation(make_report())
    assert figure is not None
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["PSNR ↑", "LPIPS ↓", "SWD ↓"]
    names = [label.get_text().replace("\n", " ") for label in figure.axes[0].get_yticklabels()]
    assert names == ["ugpnet", "w/o R_se, R_mg", "a much smaller fusion module of two blocks"]
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx([-1.0, 0.0], abs=1e-9)
    assert_texts_apart(figure)


def test_bars_tell_better_from_worse_and_tested_from_not() -> None:
    figure = ablation(make_report())
    assert figure is not None
    psnr, lpips, swd = figure.axes
    assert psnr.patches[0].get_alpha() == 1
    assert psnr.patches[1].get_alpha() == PALE
    assert beside(psnr)[1:] == [f"{signed(-1, 2)}*", signed(0, 2)]
    assert psnr.patches[0].get_facecolor() == to_rgba(WORSE)
    assert lpips.patches[0].get_facecolor() == to_rgba(WORSE)  # larger, which is worse there
    assert swd.patches[0].get_facecolor() == to_rgba(BETTER, PALE)  # a metric of the whole set has no test
    assert "better →" in psnr.get_xlabel()
    assert "← better" in lpips.get_xlabel()


def test_zero_is_in_the_middle() -> None:
    figure = ablation(make_report())
    assert figure is not None
    for axes in figure.axes:
        low, high = axes.get_xlim()
        assert low == pytest.approx(-high)


def test_ablation_needs_variants_with_numbers() -> None:
    assert ablation(make_report(methods=METHODS[:4])) is None
    assert ablation(replace(make_report(), metrics=())) is None
    single = ablation(replace(make_report(), metrics=(PSNR,)))
    assert single is not None
    assert single.get_figwidth() == ONE_COLUMN
    assert_texts_apart(single)


def test_other_sets_are_told_by_what_the_input_lost() -> None:
    report = shifted({"input": -3.0, "nafnet": -3.0, "gfpgan": -5.0, "ugpnet": -2.0})
    figure = ood(report)
    assert figure is not None
    psnr = figure.axes[0]
    assert beside(psnr)[:4] == [f"({signed(-3, 2)})", signed(0, 2), signed(-2, 2), signed(1, 2)]
    ticks = [line.get_xdata()[0] for line in psnr.lines if line.get_marker() == "|"]
    assert len(ticks) == len(METHODS) - 1
    starts = [line.get_xdata()[0] for line in psnr.lines if line.get_marker() == "o" and line.get_markersize() == 3.5]
    np.testing.assert_allclose(ticks, np.array(starts[1:]) - 3, atol=1e-9)
    assert_texts_apart(figure)


def test_each_other_set_has_a_line_of_its_own() -> None:
    figure = ood(shifted({"input": -3.0}, {"input": -4.0}))
    assert figure is not None
    psnr = figure.axes[0]
    assert len(beside(psnr)) == 2 * len(METHODS)
    places = [text.get_position()[1] for text in psnr.texts]
    assert len(set(places)) == len(places)
    assert [text.get_text() for text in figure.legends[0].get_texts()][:3] == ["test", "set 0", "set 1"]
    assert_texts_apart(figure)


def test_without_an_input_changes_are_plain() -> None:
    rows = METHODS[1:4]
    report = replace(make_report(methods=rows), ood=(make_report("set", {"nafnet": -3.0}, rows),))
    figure = ood(report)
    assert figure is not None
    assert beside(figure.axes[0])[0] == f"({signed(-3, 2)})"
    assert not [line for line in figure.axes[0].lines if line.get_marker() == "|"]


def test_ood_needs_another_set() -> None:
    assert ood(make_report()) is None


def test_an_svg_is_the_same_again_without_date_and_without_fonts_to_miss() -> None:
    first, second = (latency(make_report()) for _ in range(2))
    assert first is not None
    assert second is not None
    with figure_style():
        content = render_figure(first, "svg")
        assert content == render_figure(second, "svg")
    assert b"<text" not in content
    assert b"date" not in content
