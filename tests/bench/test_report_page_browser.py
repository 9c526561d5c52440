"""The page in a real browser: Debian's chromium, driven by Playwright. Nothing is downloaded."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.report.model import Report
from bench.report.page.page import render_page
from bench.report.table import Table
from bench.report.tables import report_tables

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]  # keys and scripts have no limit of their own in Playwright

DESKTOP = {"width": 1280, "height": 900}
PHONE = {"width": 400, "height": 850}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="20"><rect width="9" height="9"/></svg>'


def tables_of(report: Report) -> list[Table]:
    return [table for tables in report_tables(report).values() for table in tables]


@pytest.fixture(scope="module")
def address(page_report: Report, tmp_path_factory: pytest.TempPathFactory) -> str:
    path: Path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_page(page_report, tables_of(page_report), {"plane": SVG}), encoding="utf-8")
    return path.as_uri()


class Watch:
    """Pages under observation. `wrong` collects what must not happen: messages, errors, requests for anything else."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.wrong: list[str] = []

    def listen(self, page: Any) -> Any:
        page.set_default_timeout(10_000)
        page.on("console", lambda message: self.wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", self._request)
        return page

    def _request(self, request: Any) -> None:
        if request.url.partition("#")[0] != self.address and not request.url.startswith("data:"):
            self.wrong.append(f"request: {request.url[:80]}")


@pytest.fixture(scope="module")
def watch(address: str) -> Watch:
    return Watch(address)


@pytest.fixture(scope="module")
def desktop(browser: Any, watch: Watch) -> Iterator[Any]:
    context = browser.new_context(viewport=DESKTOP)
    yield watch.listen(context.new_page())
    context.close()


@pytest.fixture(autouse=True)
def _nothing_goes_wrong(watch: Watch) -> Iterator[None]:
    watch.wrong.clear()
    yield
    assert watch.wrong == []


@pytest.fixture
def page(desktop: Any, watch: Watch) -> Any:
    """The page as it opens in a window of a desktop."""
    desktop.set_viewport_size(DESKTOP)
    desktop.emulate_media(media="screen", color_scheme="light")
    desktop.goto(watch.address)
    return desktop


@pytest.fixture
def open_page(browser: Any, watch: Watch) -> Iterator[Callable[..., Any]]:
    """Opens the page in a window of its own, with other options."""
    contexts: list[Any] = []

    def open_(viewport: dict[str, int] = DESKTOP, **options: Any) -> Any:
        contexts.append(browser.new_context(viewport=viewport, **options))
        page = watch.listen(contexts[-1].new_page())
        page.goto(watch.address)
        return page

    yield open_
    for context in contexts:
        context.close()


def labels(page: Any) -> list[str]:
    found = page.locator("#table-1 tbody th").all_inner_texts()
    return [text.split("\n")[0].split(maxsplit=1)[1].rstrip("0123456789 ,") for text in found]


def header(page: Any, name: str) -> Any:
    return page.locator("#table-1 thead button", has_text=re.compile(rf"^{re.escape(name)}"))


GIVEN = ["blurred", "Plain", "Prior", "Joined", "Broken"]


def test_a_header_sorts_by_number_with_missing_values_last_in_both_orders(page: Any) -> None:
    psnr = header(page, "PSNR")
    cell = psnr.locator("xpath=..")
    psnr.click()
    assert labels(page) == ["Plain", "Joined", "blurred", "Prior", "Broken"]
    assert cell.get_attribute("aria-sort") == "descending"
    psnr.click()
    assert labels(page) == ["Prior", "blurred", "Joined", "Plain", "Broken"]
    assert cell.get_attribute("aria-sort") == "ascending"
    psnr.click()
    assert labels(page) == GIVEN
    assert cell.get_attribute("aria-sort") is None


def test_sorting_by_keyboard_by_a_distance_and_by_name(page: Any) -> None:
    header(page, "FID").focus()
    page.keyboard.press("Enter")
    assert labels(page) == ["Plain", "Joined", "blurred", "Prior", "Broken"]
    header(page, "Method").click()
    assert labels(page) == ["blurred", "Broken", "Joined", "Plain", "Prior"]
    assert page.locator("#table-1 [aria-sort]").count() == 1
    header(page, "Params").click()
    assert labels(page)[0] == "Plain"


def test_a_base_stays_above_its_differences(page: Any) -> None:
    def order() -> list[str]:
        return page.locator("#table-2 tbody th").evaluate_all("all => all.map((one) => one.dataset.value)")

    psnr = page.locator("#table-2 thead button", has_text="PSNR")
    for expected in (
        ["Plain", "Joined", "blurred", "Prior", "Broken"],
        ["Plain", "Prior", "blurred", "Joined", "Broken"],
    ):
        psnr.click()
        assert order() == expected
    assert labels(page) == GIVEN


def test_a_cell_tells_what_it_rests_on_to_pointer_and_keyboard(page: Any) -> None:
    tip = page.locator("#tip")
    page.locator("#table-1 tbody tr").nth(1).locator("td").first.hover()
    assert tip.inner_text() == "Plain, PSNR\n30 images\nseeds 1, 2\njobs Plain-1, Plain-2"
    page.keyboard.press("Escape")
    assert tip.is_hidden()
    page.locator("#table-1 tbody td[tabindex='0']").focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert tip.inner_text().startswith("Plain, LPIPS")
    assert page.evaluate("document.activeElement.getAttribute('aria-describedby')") == "tip"
    page.locator("#table-1 thead sup a").first.hover()
    assert tip.inner_text() == "PSNR: psnr/rgb/v1"


def divided(page: Any) -> float:
    """Percent of the frame that the left picture takes."""
    return float(page.evaluate("getComputedStyle(document.querySelector('.clip')).clipPath.match(/([\\d.]+)%/)[1]"))


def test_the_divider_follows_pointer_and_keys(page: Any) -> None:
    slider = page.locator("#slider")
    slider.scroll_into_view_if_needed()
    assert divided(page) == 50
    box = slider.bounding_box()
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 4, middle, steps=4)
    page.mouse.up()
    assert divided(page) == pytest.approx(75, abs=1)
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    assert divided(page) == pytest.approx(73, abs=1)
    page.keyboard.press("End")
    assert divided(page) == 0
    assert "100 % Input" in page.locator("#divider").get_attribute("aria-valuetext")


def test_the_divider_follows_a_finger(open_page: Callable[..., Any]) -> None:
    page = open_page(PHONE, has_touch=True)
    page.locator("#slider").scroll_into_view_if_needed()
    box = page.locator("#slider").bounding_box()
    page.touchscreen.tap(box["x"] + box["width"] * 0.8, box["y"] + 40)
    assert divided(page) == pytest.approx(20, abs=1.5)


def sources(page: Any, selector: str) -> list[str]:
    return page.locator(selector).evaluate_all("images => images.map((image) => image.src)")


def test_the_two_pictures_can_be_chosen_also_inside_a_method(page: Any) -> None:
    options = page.locator("#left option").all_inner_texts()
    assert options == ["Input", "Plain", "Prior", "Joined", "Joined: x_reg", "Joined: x_syn", "Ground truth"]
    assert page.locator("#right").input_value() == "Joined"
    tiles = sources(page, "#tiles img")
    for side, label in (("left", "Joined: x_reg"), ("right", "Ground truth")):
        page.locator(f"#{side}").select_option(label)
        assert sources(page, f"#slider-{side} img") == [tiles[options.index(label)]]
        assert page.locator(f"#{side}-label").inner_text() == label
    assert len(set(tiles)) == len(options)


def test_choosing_an_image_changes_tiles_scores_and_slider(page: Any) -> None:
    def state() -> tuple[Any, ...]:
        return (
            sources(page, "#tiles img"), sources(page, "#slider img"), page.locator("#scores").inner_text(),
            page.locator("#tiles figcaption").all_inner_texts(),
        )  # fmt: skip

    before = state()
    page.locator("#strip button", has_text="i05").click()
    assert page.locator("#image-title").inner_text() == "i05"
    assert [old != new for old, new in zip(before, state(), strict=True)] == [True] * 4
    assert page.locator("#strip [aria-current]").inner_text().startswith("i05")
    # Seed 1, image 5, second method: 31.5 + (7 * 6 mod 30 - 14.5) / 10
    assert page.locator("#scores tr", has_text="Plain").locator("td").first.inner_text() == "31.25"
    assert page.locator("#scores tr", has_text="Plain").locator("td").first.locator("strong").count() == 1
    assert "31.25" in page.locator("#tiles figure", has_text="Plain").inner_text()


def test_arrows_walk_along_the_strip(page: Any) -> None:
    page.locator("#strip button").first.click()
    page.keyboard.press("ArrowRight")
    assert page.locator("#image-title").inner_text() == "i01"
    assert page.evaluate("document.activeElement.textContent").startswith("i01")
    page.locator("#previous").click()
    page.locator("#previous").click()
    assert page.locator("#image-title").inner_text() == page.locator("#strip .id").last.inner_text()


def captions(page: Any) -> list[float]:
    return [float(text) for text in page.locator("#strip .score").all_inner_texts()]


def test_the_strip_sorts_by_a_method_s_scores(page: Any) -> None:
    assert page.locator("#strip .id").all_inner_texts()[:3] == ["i00", "i01", "i02"]
    page.locator("#method").select_option("Prior")
    page.locator("#order").select_option("worst")
    values = captions(page)
    assert values == sorted(values)
    assert values[0] == pytest.approx(9.25 - 1.45)
    page.locator("#order").select_option("best")
    assert captions(page) == values[::-1]
    page.locator("#metric").select_option("LPIPS")
    distances = captions(page)
    assert distances == sorted(distances)
    page.locator("#order").select_option("given")
    assert page.locator("#strip .id").first.inner_text() == "i00"


def test_every_method_s_worst_and_best_cases_are_one_click_away(page: Any) -> None:
    row = page.locator("#cases tbody tr", has_text="Plain")
    # 7 (i + 1) mod 30 is smallest for i = 29 and largest for i = 16.
    assert row.locator("button").all_inner_texts() == ["30.05 i29", "32.95 i16"]
    for place, image, end in ((0, "i29", "worst"), (1, "i16", "best")):
        row.locator("button").nth(place).click()
        assert page.locator("#image-title").inner_text() == image
        assert f"{end} PSNR: Plain" in page.locator("#remarkable").inner_text()


def transforms(page: Any, selector: str = ".layer") -> set[str]:
    """Scale and relative offset of every picture; frames differ in size, pictures must not in what they show."""
    script = """layers => layers.map((layer) => {
        const [scale, , , , x, y] = getComputedStyle(layer).transform.match(/[-\\d.e]+/g).map(Number);
        return [scale, x / layer.clientWidth, y / layer.clientHeight].map((value) => value.toFixed(2)).join(" ");
    })"""
    return set(page.locator(selector).evaluate_all(script))


def test_zoom_and_pan_are_the_same_in_all_pictures(page: Any) -> None:
    tile = page.locator("#tiles .frame").nth(1)
    tile.scroll_into_view_if_needed()
    page.wait_for_timeout(400)  # a wheel that goes on after scrolling belongs to the page
    assert transforms(page) == {"1.00 0.00 0.00"}
    box = tile.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.wheel(0, -100)
    page.wait_for_function("document.querySelector('#zoomed').classList.contains('enlarged')")
    assert transforms(page) == {"1.56 -0.28 -0.28"}
    page.mouse.down()
    page.mouse.move(x + box["width"] / 10, y, steps=3)
    page.mouse.up()
    assert transforms(page) == {"1.56 -0.18 -0.28"}
    page.locator("#zoom-in").click()
    assert len(transforms(page)) == 1
    assert page.locator("#zoom-level").inner_text() == "3.1\N{MULTIPLICATION SIGN}"
    assert page.locator(".layer img").evaluate_all(
        "all => all.every((i) => getComputedStyle(i).imageRendering == 'pixelated')"
    )
    page.locator("#tiles").focus()
    page.keyboard.press("0")
    assert transforms(page) == {"1.00 0.00 0.00"}
    for key in ("+", "+", "ArrowLeft"):
        page.keyboard.press(key)
    assert transforms(page) == {"1.56 -0.18 -0.28"}


def test_pictures_never_leave_their_frames(page: Any) -> None:
    page.locator("#zoom-in").click()
    page.locator("#tiles").focus()
    for _ in range(9):
        page.keyboard.press("ArrowRight")
    assert transforms(page) == {"2.00 -1.00 -0.50"}


def test_a_page_that_is_scrolled_is_not_stopped_by_a_picture(page: Any) -> None:
    page.locator("#tiles").scroll_into_view_if_needed()
    page.evaluate("scrollBy(0, -200)")
    box = page.locator("#tiles .frame").first.bounding_box()
    page.mouse.move(box["x"] + 20, box["y"] + 20)
    page.evaluate("dispatchEvent(new Event('scroll'))")
    page.mouse.wheel(0, -40)
    page.wait_for_timeout(100)
    assert transforms(page) == {"1.00 0.00 0.00"}


def test_the_difference_to_the_ground_truth(page: Any) -> None:
    """Drawn pixels: black where a picture is the ground truth, something else in the others."""
    assert page.locator("#tiles .truth").count() == 0
    page.locator("#difference").check()
    truth = page.locator("#tiles .frame").last
    assert _pixels(truth.screenshot())[10:-10, 10:-10].max() == 0
    plain = page.locator("#tiles .frame").nth(1)
    weak = _pixels(plain.screenshot())[10:-10, 10:-10].mean()
    page.locator("#gain").fill("20")
    assert _pixels(plain.screenshot())[10:-10, 10:-10].mean() > weak > 0
    page.locator("#difference").uncheck()
    assert page.locator("#tiles .truth").count() == 0


def _pixels(png: bytes) -> Any:
    import io

    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def test_another_test_set_brings_its_own_images(page: Any) -> None:
    page.locator("#right").select_option("Prior")
    page.locator("#test-set").select_option("photos")
    assert page.locator("#strip .id").all_inner_texts() == [f"i{i:02d}" for i in range(5)]
    assert page.locator("#shown").inner_text() == "All 5 images of this test set."
    assert page.locator("#right").input_value() == "Prior"
    page.locator("#test-set").select_option("test")
    assert page.locator("#strip li").count() == 24


def test_a_missing_picture_is_named_in_its_tile(page: Any) -> None:
    page.locator("#strip button", has_text="i03").click()
    tile = page.locator("#tiles figure", has_text="Prior")
    assert "Prior is missing: images/00003.png: no such file" in tile.inner_text()
    assert page.locator("#tiles img").count() == 6


def test_copy_buttons_copy(open_page: Callable[..., Any]) -> None:
    page = open_page(permissions=["clipboard-read", "clipboard-write"])
    for summary, what, text in (
        ("Suite as it was run", "Copy the suite", "name: deblur\nseeds: [1, 2]\n"),
        ("BibTeX", "Copy the BibTeX of Prior", "@misc{prior2020}"),
    ):
        page.locator("summary", has_text=summary).click()
        button = page.get_by_label(what)
        button.click()
        page.wait_for_function("b => b.textContent === 'Copied'", arg=button.element_handle())
        assert page.evaluate("navigator.clipboard.readText()") == text


def test_without_a_clipboard_the_text_is_selected(page: Any) -> None:
    page.evaluate("() => { navigator.clipboard.writeText = () => Promise.reject(new Error('refused')); }")
    page.locator("summary", has_text="Suite as it was run").click()
    page.get_by_label("Copy the suite").click()
    page.wait_for_function("getSelection().toString().startsWith('name: deblur')")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE])
def test_the_page_is_never_wider_than_the_window(page: Any, viewport: dict[str, int]) -> None:
    page.set_viewport_size(viewport)
    page.locator("details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
    assert page.evaluate("document.documentElement.scrollWidth") == viewport["width"]


def test_a_vector_figure_is_drawn(page: Any) -> None:
    assert page.locator("#figures img").evaluate("image => image.naturalWidth") == 40


CONTRAST = """() => {
  const probe = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => { probe.fillStyle = colour; probe.fillRect(0, 0, 1, 1); return probe.getImageData(0, 0, 1, 1).data; };
  const light = (colour) => [...rgb(colour)].slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const ground = (node) => {
    const colour = getComputedStyle(node).backgroundColor;
    return colour === "rgba(0, 0, 0, 0)" && node.parentElement ? ground(node.parentElement) : colour;
  };
  const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  return [...document.querySelectorAll("h1, h2, p, li, td, small, a, button, summary, label, dt, dd, figcaption, .missing")]
    .filter((node) => node.checkVisibility() && node.textContent.trim() && !node.disabled)
    .map((node) => [ratio(light(getComputedStyle(node).color), light(ground(node))), node.outerHTML.slice(0, 80)])
    .filter(([found]) => found < 4.5);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_stand_out_from_their_ground(page: Any, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    assert page.evaluate(CONTRAST) == []


def test_every_control_has_a_name(page: Any) -> None:
    script = (
        "all => all.filter((e) => !e.labels?.length && !e.ariaLabel && !e.textContent.trim()).map((e) => e.outerHTML)"
    )
    assert page.locator("button, input, select").evaluate_all(script) == []
    assert page.locator("img:not([alt])").count() == 0


def test_labels_stay_text_where_the_script_shows_them(nasty_page_report: Report, browser: Any, tmp_path: Path) -> None:
    path = tmp_path / "nasty.html"
    path.write_text(render_page(nasty_page_report, tables_of(nasty_page_report), {}), encoding="utf-8")
    watched = Watch(path.as_uri())
    with browser.new_context() as context:
        page = watched.listen(context.new_page())
        page.on("dialog", lambda dialog: watched.wrong.append(f"dialog: {dialog.message}"))
        page.goto(watched.address)
        assert page.locator("#image-title").inner_text().startswith("i00</script><script>")
        page.locator("#strip button").nth(1).click()
        page.locator("#cases button:enabled").last.click()
        assert page.locator("script").count() == 2
        assert page.locator("#tiles .absent").count() == 3
    assert watched.wrong == []


def test_print_has_tables_and_figures_but_no_browser(page: Any) -> None:
    page.emulate_media(media="print")
    assert page.locator("#table-1").is_visible()
    assert page.locator("#figures img").is_visible()
    assert page.locator("#images").is_hidden()
    assert page.locator("nav").is_hidden()
