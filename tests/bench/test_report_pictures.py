"""Bands of pictures and their pages; the figures of UGPNet's modules and of its regressors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from bench.metrics.fidelity import Psnr
from bench.report.bands import Band, Panel, Strip
from bench.report.comparison import comparison_figures
from bench.report.model import COLUMNS, Box, Loader, MethodInfo, MetricInfo, Pictures, Report
from bench.report.modules import LABELS, modules_figures
from bench.report.pages import draw_pages
from bench.report.regressors import regressor_pairs, regressors_figures
from bench.report.style import PAGE_HEIGHT, TWO_COLUMNS, figure_style, render_figure

SIZE = 32
PSNR = MetricInfo("psnr", "PSNR", "up", 2, "p")
ROWS = (
    MethodInfo("input", "input"),
    MethodInfo("unet", "regression"),
    MethodInfo("nafnet", "regression"),
    MethodInfo("ugpnet unet", "hybrid", regressor="unet"),
    MethodInfo("ugpnet", "hybrid", regressor="nafnet"),
    MethodInfo("ugpnet fuse images", "hybrid", base="ugpnet", variant="fuse images", regressor="nafnet"),
)


def loader(seed: int, height: int = SIZE, width: int = SIZE) -> Loader:
    def load(image: str) -> NDArray[np.uint8]:
        rng = np.random.default_rng([seed, *image.encode()])
        return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)

    return load


def make_report(images: tuple[str, ...] = ("a", "b"), parts: tuple[str, ...] = ("ugpnet",)) -> Report:
    gt, lq = loader(90), loader(91)
    restored = {method.label: loader(seed) for seed, method in enumerate(ROWS) if method.family != "input"}
    inside = {label: {"x_reg": loader(80), "x_syn": loader(81)} for label in parts}
    pictures = Pictures(images, lq, gt, restored, ids=images, parts=inside)
    made = {"input": lq, **restored}
    rows = [
        ("r", "test", label, "", 1, image, "psnr", Psnr().score(load(image), gt(image)), "k")
        for label, load in made.items()
        for image in images
    ]
    return Report("s", pd.DataFrame(rows, columns=list(COLUMNS)), (PSNR,), ROWS, pictures)


def draw(make: Callable[[Report, Pictures], list[Figure]], report: Report) -> list[Figure]:
    assert report.pictures is not None
    with figure_style():
        return make(report, report.pictures)


def texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def strip(count: int = 3, boxes: tuple[Box, ...] = (), size: tuple[int, int] = (SIZE, SIZE), title: str = "") -> Strip:
    panels = tuple(Panel(f"m{i}", loader(i, *size)("a"), f"{i}.00") for i in range(count))
    return Strip(panels, boxes, size, title)


def assert_within_page(figure: Figure) -> None:
    for axes in figure.axes:
        box = axes.get_position()
        assert -1e-9 <= box.x0 < box.x1 <= 1 + 1e-9
        assert -1e-9 <= box.y0 < box.y1 <= 1 + 1e-9


def assert_no_overlaps(figure: Figure) -> None:
    """Of texts with texts, and of texts with pictures."""
    with figure_style():
        figure.draw_without_rendering()
    shown = [Text.get_window_extent(text) for text in figure.texts if text.get_text()]
    pictures = [axes.get_window_extent() for axes in figure.axes]
    assert not [(a, b) for i, a in enumerate(shown) for b in (*shown[:i], *pictures) if Bbox.overlaps(a, b)]


def test_crops_share_a_height_and_fill_the_panel() -> None:
    with figure_style():
        (figure,) = draw_pages([[strip(1, (Box(0, 0, 8, 8), Box(4, 4, 16, 8)))]])
    whole, square, wide = (axes.get_window_extent() for axes in figure.axes)
    assert square.height == pytest.approx(wide.height)
    assert wide.width == pytest.approx(2 * square.width)
    assert (square.x0, wide.x1) == pytest.approx((whole.x0, whole.x1))


def test_a_tall_crop_is_no_taller_than_the_picture_and_centred() -> None:
    band = Band(strip(1, (Box(0, 0, 2, 30),)), 1.0)
    assert band.crop_height == pytest.approx(band.image_height)
    with figure_style():
        (figure,) = draw_pages([[band.strip]])
    whole, crop = (axes.get_window_extent() for axes in figure.axes)
    assert (crop.x0 + crop.x1) / 2 == pytest.approx((whole.x0 + whole.x1) / 2)


def test_images_go_on_further_pages_rather_than_over_a_page() -> None:
    groups = [[strip(3, (Box(0, 0, 8, 8),))]] * 8
    with figure_style():
        pages = draw_pages(groups)
    assert len(pages) > 1
    assert all(page.get_figheight() <= PAGE_HEIGHT for page in pages)
    assert sum(len(page.axes) for page in pages) == 8 * 3 * 2
    assert all(texts(page).count("m0") == 1 for page in pages)  # labels once, at the top of each page
    for page in pages:
        assert_within_page(page)
        assert_no_overlaps(page)


def test_a_group_stays_on_one_page() -> None:
    with figure_style():
        pages = draw_pages([[strip(5)] * 3] * 2, height=5.0)
    assert [len(page.axes) for page in pages] == [15, 15]


def test_a_title_takes_room_at_the_left() -> None:
    with figure_style():
        (figure,) = draw_pages([[strip(8, title="a row"), strip(8)]])
    assert figure.get_figwidth() <= TWO_COLUMNS + 1e-9
    assert min(axes.get_position().x0 for axes in figure.axes) > 0
    assert_no_overlaps(figure)


def test_modules_show_what_each_makes_with_its_psnr() -> None:
    report = make_report(images=("a",))
    (figure,) = draw(modules_figures, report)
    assert texts(figure)[0::2] == list(LABELS)
    scores = texts(figure)[1::2]
    in_rows = dict(zip(report.rows.method, report.rows.value, strict=True))
    assert (scores[0], scores[3]) == (f"{in_rows['input']:.2f}", f"{in_rows['ugpnet']:.2f}")
    expected = Psnr().score(loader(80)("a"), loader(90)("a"))
    assert scores[1] == f"{expected:.2f}"
    assert scores[4] == "PSNR ↑"
    assert_no_overlaps(figure)


def test_modules_of_several_rows_are_titled_and_share_their_crops() -> None:
    (figure,) = draw(modules_figures, make_report(images=("a",), parts=("ugpnet unet", "ugpnet")))
    assert [text for text in texts(figure) if text.startswith("ugpnet")] == ["ugpnet unet", "ugpnet"]
    assert texts(figure).count(LABELS[1]) == 1
    crops = [(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes]
    assert crops[: len(crops) // 2] == crops[len(crops) // 2 :]


def test_modules_need_both_parts_and_a_row_that_did_not_fail() -> None:
    report = make_report()
    assert report.pictures is not None
    assert draw(modules_figures, replace(report, pictures=replace(report.pictures, parts={}))) == []
    half = {"ugpnet": {"x_reg": loader(80)}}
    assert draw(modules_figures, replace(report, pictures=replace(report.pictures, parts=half))) == []
    failed = tuple(replace(method, reason="diverged") for method in report.methods)
    assert draw(modules_figures, replace(report, methods=failed)) == []


def test_a_smaller_input_has_no_psnr() -> None:
    report = make_report(images=("a",))
    assert report.pictures is not None
    (figure,) = draw(modules_figures, replace(report, pictures=replace(report.pictures, lq=loader(91, 16, 16))))
    assert texts(figure)[:2] == [LABELS[0], ""]


def test_regressors_stand_above_what_is_built_on_them() -> None:
    report = make_report(images=("a",))
    assert report.pictures is not None
    assert regressor_pairs(report, report.pictures) == {"unet": "ugpnet unet", "nafnet": "ugpnet"}
    (figure,) = draw(regressors_figures, report)
    labels = [text for text in texts(figure)[0::2] if text]
    assert labels == ["Input", "unet", "nafnet", "Ground truth", "ugpnet unet", "ugpnet"]
    place = {text.get_text(): text.get_position() for text in figure.texts}
    assert place["unet"][0] == place["ugpnet unet"][0]
    assert place["unet"][1] > place["ugpnet unet"][1]
    assert_no_overlaps(figure)


def test_one_regressor_is_no_figure_of_regressors() -> None:
    report = make_report()
    alone = tuple(method for method in report.methods if method.label != "ugpnet unet")
    assert draw(regressors_figures, replace(report, methods=alone)) == []


def test_equal_pictures_give_equal_bytes() -> None:
    figures = [draw(modules_figures, make_report(images=("a",)))[0] for _ in range(2)]
    with figure_style():
        first, second = (render_figure(figure, "svg") for figure in figures)
    assert first == second


def test_vector_files_keep_the_pixels_of_fine_pictures() -> None:
    with figure_style():
        (figure,) = draw_pages([[strip(5, size=(512, 512))]])
        content = render_figure(figure, "pdf")
    assert b"/Width 512" in content
    assert b"/Width 511" not in content


def test_comparison_of_many_images_is_several_pages() -> None:
    pages = draw(comparison_figures, make_report(images=tuple("abcdef")))
    assert len(pages) > 1
    assert all(page.get_figheight() <= PAGE_HEIGHT for page in pages)
