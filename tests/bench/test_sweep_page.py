"""The page of a sweep: what it says, what it escapes, and that it sorts in a real browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from bench.suite import load_suite
from bench.sweep.files import write_outcome
from bench.sweep.objectives import Objective
from bench.sweep.record import Record, Tried
from bench.sweep.variation import Subject, open_subject

Write: TypeAlias = Callable[[object], Path]

PER = "ugpnet.fusion.lambda_per"
NASTY = "</script><img src=x onerror=alert(1)>"
OBJECTIVES = (Objective("psnr", "PSNR", "up", 2), Objective("swd", "SWD", "down", 2))
TRIALS = (
    Tried(0, "complete", {PER: 9.5}, (20.0, 30.0), 12.0, ("a" * 64,), ("b" * 64,)),
    Tried(1, "failed", {PER: 100.0}, note=NASTY),
    Tried(2, "complete", {PER: 10.25}, (21.0, 35.0), 8.0),
    Tried(3, "complete", {PER: 200.0}, (19.0, 31.0), 9.0),
    Tried(4, "running", {}),
)


@pytest.fixture
def subject(write_suite: Write, tiny_document: dict[str, Any], tmp_path: Path) -> Subject:
    sweep = {
        "row": "ugpnet",
        "space": {PER: {"low": 1, "high": 300, "log": True}},
        "objectives": {"psnr": "max", "swd": "min"},
    }
    return open_subject(load_suite(write_suite({**tiny_document, "sweep": sweep})), tmp_path / "cache")


@pytest.fixture
def page(subject: Subject, tmp_path: Path) -> Path:
    record = Record("tiny-sweep", subject.sweep.space, OBJECTIVES, TRIALS)
    write_outcome(tmp_path / "sweep", subject, record, ())
    return tmp_path / "sweep" / "report.html"


def test_the_page_holds_every_trial_the_front_and_its_suites(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert "3 of 5 trials complete, 1 failed, 1 running; 2 of them are beaten by no other" in text
    assert text.count('<pre id="suite-') == 2
    assert "name: tiny_best_1" in text
    assert text.count("data:image/") == 3  # pareto, history, slice
    assert "aaaaaaaa" in text
    assert "lambda_per" in text


def test_what_a_trial_failed_of_is_text(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert NASTY not in text
    assert "trial 1: &lt;/script&gt;&lt;img src=x" in text


def test_equal_studies_give_equal_pages(subject: Subject, page: Path, tmp_path: Path) -> None:
    record = Record("tiny-sweep", subject.sweep.space, OBJECTIVES, TRIALS)
    before = page.read_bytes()
    write_outcome(tmp_path / "sweep", subject, record, ())
    assert page.read_bytes() == before


@pytest.fixture
def opened(browser: Any, page: Path) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 400, "height": 850})
    wrong: list[str] = []
    tab = context.new_page()
    tab.set_default_timeout(10_000)
    tab.on("console", lambda message: wrong.append(message.text))
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.goto(page.as_uri())
    yield tab
    context.close()
    assert wrong == []


def column(tab: Any, place: int) -> list[str]:
    return [text.strip() for text in tab.locator(f"#all tbody td:nth-child({place})").all_inner_texts()]


@pytest.mark.timeout(180)
@pytest.mark.slow
def test_fields_sort_as_numbers_and_objectives_best_first(opened: Any) -> None:
    opened.locator("#all thead button", has_text="lambda_per").click()
    assert column(opened, 1) == ["0", "2", "1", "3", "4"]
    opened.locator("#all thead button", has_text="PSNR").click()
    assert column(opened, 1) == ["2", "0", "3", "1", "4"]
    opened.locator("#all thead button", has_text="SWD").click()
    assert column(opened, 1) == ["0", "3", "2", "1", "4"]


@pytest.mark.timeout(180)
@pytest.mark.slow
def test_a_telephone_shows_it_without_scrolling_sideways(opened: Any) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth <= innerWidth")


@pytest.mark.timeout(180)
@pytest.mark.slow
def test_a_best_trial_leads_to_its_suite(opened: Any) -> None:
    opened.locator("#best a", has_text="2").click()
    assert opened.evaluate("location.hash") == "#best-2"
    opened.locator("#best-2 summary").click()
    assert opened.locator("#suite-2").is_visible()
