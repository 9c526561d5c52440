"""Crops, comparison figure, perception-distortion plane, training curves."""

from __future__ import annotations

import io
from dataclasses import replace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray
from PIL import Image

from bench.report.bands import Band, Panel, Strip, panel_lines
from bench.report.comparison import comparison_figures
from bench.report.crops import choose_boxes
from bench.report.labels import Anchor, place_labels
from bench.report.model import COLUMNS, Box, Family, MethodInfo, MetricInfo, Pictures, Report
from bench.report.plane import plane_figure
from bench.report.scores import image_scores
from bench.report.statistics import estimate_rows
from bench.report.style import figure_style, legend_columns, render_figure
from bench.report.training import collect_curves, running_mean, training_figure

PSNR = MetricInfo("psnr", "PSNR", "up", 2, "p")
LPIPS = MetricInfo("lpips", "LPIPS", "down", 4, "l")
FID = MetricInfo("fid", "FID", "down", 2, "f")


def picture(seed: int, size: int = 32) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (size, size, 3), dtype=np.uint8)


def make_report(count: int = 3, images: tuple[str, ...] = ("x", "y"), size: int = 32) -> Report:
    others: list[Family] = ["regression", "generative", "hybrid"]
    families: list[Family] = ["input", *(others * count)[: count - 1]]
    methods = tuple(MethodInfo(f"m{i}", family) for i, family in enumerate(families))
    rows = []
    for i, method in enumerate(methods):
        for n, image in enumerate(images):
            for seed in (1, 2):
                rows.append(("r", "test", method.label, "", seed, image, "psnr", 20.0 + i + n + seed / 10, "k"))
                rows.append(("r", "test", method.label, "", seed, image, "lpips", 0.5 - 0.03 * i + n / 100, "k"))
        rows.append(("r", "test", method.label, "", 1, "", "fid", 80.0 / (i + 1), "k"))
    restored = {method.label: lambda _, i=i: picture(i, size) for i, method in enumerate(methods) if i}
    pictures = Pictures(images, lambda _: picture(90, size // 2), lambda _: picture(91, size), restored)
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return Report("suite", frame, (PSNR, LPIPS, FID), methods, pictures)


def figure_texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_boxes_find_the_detail_on_which_methods_disagree() -> None:
    gt = np.full((64, 64, 3), 128, np.uint8)
    gt[8:24, 8:24] = picture(0, 16)
    gt[36:52, 36:52] = picture(1, 16)
    same, other = gt.copy(), gt.copy()
    other[36:52, 36:52] = 255 - gt[36:52, 36:52]
    first, second = choose_boxes(gt, [same, other])
    assert (first.width, first.height) == (16, 16)
    assert max(abs(first.x - 36), abs(first.y - 36)) <= 2
    assert not Bbox.from_bounds(*first).shrunk(0.999, 0.999).overlaps(Bbox.from_bounds(*second))


def test_boxes_follow_detail_alone_when_there_is_one_method() -> None:
    gt = np.full((64, 48, 3), 128, np.uint8)
    gt[30:42, 20:32] = picture(0, 12)
    (box,) = choose_boxes(gt, [gt], count=1)
    assert (box.width, box.height) == (12, 12)
    assert max(abs(box.x - 20), abs(box.y - 30)) <= 2


@pytest.mark.parametrize("shape", [(4, 4), (5, 9), (17, 64), (64, 17)])
def test_boxes_lie_inside_small_and_oblong_images(shape: tuple[int, int]) -> None:
    gt = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    boxes = choose_boxes(gt, [gt, 255 - gt])
    assert boxes
    for box in boxes:
        assert 0 <= box.x <= shape[1] - box.width
        assert 0 <= box.y <= shape[0] - box.height


def test_a_flat_image_still_gets_boxes() -> None:
    assert len(choose_boxes(np.zeros((32, 32, 3), np.uint8), [])) == 2


def test_scores_are_those_of_the_pictures_seed() -> None:
    report = make_report()
    assert report.pictures is not None
    scores = image_scores(report, report.pictures)
    assert scores.legend == "PSNR ↑ / LPIPS ↓"
    assert scores.texts["m1", "x"] == "21.10 / 0.470"
    assert image_scores(report, replace(report.pictures, seed=2)).texts["m1", "y"] == "22.20 / 0.480"
    assert image_scores(report, replace(report.pictures, seed=5)).texts["m1", "y"] == ""


def test_comparison_shows_input_methods_and_truth_in_order() -> None:
    report = make_report()
    assert report.pictures is not None
    everything = {**report.pictures.restored, "m0": report.pictures.gt}
    with figure_style():
        (figure,) = comparison_figures(report, replace(report.pictures, restored=everything))
    texts = figure_texts(figure)
    assert texts[0:1] == ["Input"]
    labels = [text for text in texts if text in {"Input", "m0", "m1", "m2", "Ground truth"}]
    assert labels == ["Input", "m1", "m2", "Ground truth"]
    assert texts.count("PSNR ↑ / LPIPS ↓") == 2
    assert "20.10 / 0.500" in texts  # the input row scores the input column
    # Two images, four panels, each with the whole and two crops.
    assert len(figure.axes) == 2 * 4 * 3


def test_comparison_crops_the_given_box_of_a_smaller_input_as_well() -> None:
    report = make_report(images=("x",))
    assert report.pictures is not None
    pictures = replace(report.pictures, boxes={"x": (Box(4, 6, 16, 8),)})
    with figure_style():
        (figure,) = comparison_figures(report, pictures)
    whole, crop = figure.axes[:2]
    assert whole.images[0].get_size() == (16, 16)
    assert (whole.get_xlim(), whole.get_ylim()) == ((0, 32), (32, 0))
    assert (crop.get_xlim(), crop.get_ylim()) == ((4, 20), (14, 6))


def test_many_methods_wrap_into_balanced_bands_within_the_page() -> None:
    report = make_report(count=11, images=("x",))
    assert report.pictures is not None
    with figure_style():
        (figure,) = comparison_figures(report, report.pictures)
    tops = sorted({round(axes.get_position().y1, 6) for axes in figure.axes if len(axes.patches) == 2})
    assert len(tops) == 2
    assert figure.get_figwidth() <= 6.9 + 1e-9
    for axes in figure.axes:
        box = axes.get_position()
        assert box.x0 >= -1e-9
        assert box.x1 <= 1 + 1e-9
        assert box.y0 >= 0
        assert box.y1 <= 1


def test_comparison_draws_the_pixels_it_is_given() -> None:
    red, blue = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32, 3), np.uint8)
    red[..., 0], blue[..., 2] = 255, 255
    report = make_report(count=2, images=("x",))
    boxes = {"x": (Box(8, 8, 8, 8),)}
    pictures = Pictures(("x",), lambda _: red, lambda _: blue, {"m1": lambda _: red}, boxes=boxes)
    with figure_style():
        (figure,) = comparison_figures(report, pictures)
        page = np.asarray(Image.open(io.BytesIO(render_figure(figure, "png"))).convert("RGB"))
    for axes, colour in zip(figure.axes, [red, red, red, red, blue, blue], strict=True):
        box = axes.get_position()
        x, y = box.x0 + 0.7 * box.width, 1 - box.y0 - 0.3 * box.height  # off the corners of the box drawn
        assert tuple(page[int(y * page.shape[0]), int(x * page.shape[1])]) == tuple(colour[0, 0])


def test_band_height_grows_with_wrapped_labels() -> None:
    panel = Panel("a very long label of a method that must wrap", picture(0), "")
    band = Band(Strip((panel,), (Box(0, 0, 8, 8),), (32, 32)), 0.8)
    assert band.label_lines == len(panel_lines(panel, 0.8)) > 1
    assert band.height > replace(band, labelled=False).height


def test_plane_has_a_panel_per_perceptual_metric_and_labels_inside() -> None:
    report = make_report(count=6)
    with figure_style():
        figure = plane_figure(report, estimate_rows(report.rows))
        assert figure is not None
        figure.draw_without_rendering()
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["LPIPS ↓", "FID ↓"]
        for axes in figure.axes:
            boxes = [Text.get_window_extent(text) for text in axes.texts]  # without the leader
            assert sorted(text.get_text() for text in axes.texts) == [f"m{i}" for i in range(6)]
            overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
            assert not overlaps
            assert all(axes.bbox.x0 <= box.x0 and box.x1 <= axes.bbox.x1 for box in boxes)


def test_plane_needs_two_points_and_a_metric_on_each_axis() -> None:
    report = make_report(count=2)
    estimates = estimate_rows(report.rows)
    assert plane_figure(replace(report, metrics=(PSNR,)), estimates) is None
    assert plane_figure(replace(report, metrics=(LPIPS,)), estimates) is None
    lone = {key: value for key, value in estimates.items() if key[0] == "m1"}
    assert plane_figure(report, lone) is None
    unavailable = replace(report, metrics=(PSNR, replace(LPIPS, unavailable="no weights")))
    assert plane_figure(unavailable, estimates) is None


def test_plane_leaves_out_infinite_points() -> None:
    report = make_report(count=4, images=("x",))
    rows = report.rows.copy()
    rows.loc[(rows.method == "m3") & (rows.metric == "psnr"), "value"] = np.inf
    with figure_style():
        figure = plane_figure(report, estimate_rows(rows))
    assert figure is not None
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["m0", "m1", "m2"]


def label_boxes(anchors: list[Anchor], obstacles: NDArray[np.float64]) -> list[Bbox]:
    """Where labels come to lie on axes of 300 x 200 pixels over the unit square."""
    with figure_style():
        figure = Figure(figsize=(3, 2), dpi=100)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        place_labels(figure, axes, anchors, obstacles)
        figure.draw_without_rendering()
        return [Text.get_window_extent(text) for text in axes.texts]  # without the leader


def test_labels_of_coinciding_points_do_not_overlap() -> None:
    anchors = [Anchor(0.5 + 0.01 * i, 0.5, f"method {i}", "#000000") for i in range(6)]
    boxes = label_boxes(anchors, np.empty((0, 4)))
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


def test_a_label_stays_clear_of_lines_and_of_the_border() -> None:
    line = np.array([[140.0, 106.0, 200.0, 109.0]])
    (free,) = label_boxes([Anchor(0.5, 0.5, "method", "#000000")], np.empty((0, 4)))
    (moved,) = label_boxes([Anchor(0.5, 0.5, "method", "#000000")], line)
    assert free.overlaps(Bbox(line.reshape(2, 2)))
    assert not moved.overlaps(Bbox(line.reshape(2, 2)))
    (corner,) = label_boxes([Anchor(0.99, 0.98, "method", "#000000")], np.empty((0, 4)))
    assert corner.x1 <= 300
    assert corner.y1 <= 200


def test_legend_entries_fit_the_width() -> None:
    assert legend_columns(["ab"] * 3, 6.9) == 3
    assert legend_columns(["a long label of a method"] * 9, 3.3) == 1
    assert legend_columns([], 3.3) == 1


def curves() -> pd.DataFrame:
    rows = [("j1", "a", step, "loss", 1.0 / (step + 1)) for step in range(200)]
    rows += [("j2", "b", step, "loss", 2.0) for step in (30, 10, 20)]
    rows += [("j2", "b", 10, "psnr", np.nan), ("j2", "b", 20, "psnr", 25.0)]
    return pd.DataFrame(rows, columns=["job", "label", "step", "name", "value"])


def test_curves_are_sorted_by_step_without_what_is_not_finite() -> None:
    found = collect_curves(curves())
    assert list(found) == ["loss", "psnr"]
    assert [curve.label for curve in found["loss"]] == ["a", "b"]
    assert found["loss"][1].steps.tolist() == [10, 20, 30]
    assert found["psnr"][0].values.tolist() == [25.0]


def test_training_figure_has_a_panel_per_quantity() -> None:
    with figure_style():
        figure = training_figure(curves())
        assert figure is not None
        assert [axes.get_title(loc="left") for axes in figure.axes] == ["loss", "psnr"]
        assert [axes.get_yscale() for axes in figure.axes] == ["log", "linear"]
        assert training_figure(curves().iloc[:0]) is None


def test_running_mean_agrees_with_the_definition() -> None:
    values = np.random.default_rng(0).normal(size=30)
    expected = [values[max(0, i - 4) : i + 5].mean() for i in range(30)]
    np.testing.assert_allclose(running_mean(values, 4), expected, atol=1e-12)
    np.testing.assert_allclose(running_mean(values, 0), values, atol=1e-12)


def test_style_leaves_global_settings_alone() -> None:
    before = dict(mpl.rcParams)
    with figure_style():
        assert mpl.rcParams["pdf.fonttype"] == 42
    assert dict(mpl.rcParams) == before


def test_a_dollar_sign_in_a_label_is_no_mathematics() -> None:
    report = make_report(count=2)
    methods = (report.methods[0], replace(report.methods[1], label="a$_{$"))
    rows = report.rows.replace({"method": {"m1": "a$_{$"}})
    with figure_style():
        figure = plane_figure(replace(report, methods=methods, rows=rows), estimate_rows(rows))
        assert figure is not None
        assert render_figure(figure, "png")
