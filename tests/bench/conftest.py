"""What tests of pages share: a report with several kinds of rows, test sets and pictures, and a browser."""

from __future__ import annotations

import os
import shutil
import zlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from bench.errors import DataError
from bench.report.model import (
    COLUMNS,
    Citation,
    Latency,
    MethodInfo,
    MetricInfo,
    Pictures,
    Provenance,
    Report,
)

PSNR = {"blurred": 20.0, "Plain": 31.5, "Prior": 9.25, "Joined": 28.0}
"""Means whose order as numbers is not their order as text."""

METRICS = (
    MetricInfo("psnr", "PSNR", "up", 2, "psnr/rgb/v1"),
    MetricInfo("lpips", "LPIPS", "down", 4, "lpips/alex/v1"),
    MetricInfo("fid", "FID", "down", 2, "fid/v1"),
    MetricInfo("dists", "DISTS", "down", 4, "dists/v1", "no weights"),
)

METHODS = (
    MethodInfo("blurred", "input"),
    MethodInfo("Plain", "regression", None, 1_500_000, 3e9, 2**23, Latency(12.0, 10.0, 15.0, "a CPU")),
    MethodInfo(
        "Prior", "generative",
        citation=Citation("A prior", "CVPR 2020", "2001.00001", "https://example.org/prior", "MIT", "@misc{prior2020}"),
    ),
    MethodInfo("Joined", "hybrid", notes=("a note",)),
    MethodInfo("Broken", "regression", reason="diverged at step 7"),
)  # fmt: skip


def _rows(test: str, count: int) -> Iterator[tuple[Any, ...]]:
    """In seed 1, the score of image i of method m is its mean plus (7 (i + m) mod 30 - 14.5) / 10: no two are alike."""
    for m, (method, mean) in enumerate(PSNR.items()):
        for seed in (1, 2):
            for i in range(count):
                step = (7 * (i + m) % 30 - 14.5) / 10
                values = {"psnr": mean + step + (seed - 1), "lpips": 0.5 - step / 10}
                for metric, value in values.items():
                    yield "r", test, method, "", seed, f"i{i:02d}", metric, value, f"{method}-{seed}"
            yield "r", test, method, "", seed, "", "fid", 100 - mean, f"{method}-{seed}"


def _loader(name: str) -> Callable[[str], np.ndarray]:
    def load(image: str) -> np.ndarray:
        if (name, image) == ("Prior", "i03"):
            raise DataError("images/00003.png: no such file")
        seed = zlib.crc32(f"{name} {image}".encode())
        return np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)

    return load


def _report(test: str, count: int) -> Report:
    ids = tuple(f"i{i:02d}" for i in range(count))
    pictures = Pictures(
        images=("i03",), lq=_loader("lq"), gt=_loader("gt"), ids=ids,
        restored={name: _loader(name) for name in ("Plain", "Prior", "Joined")},
        parts={"Joined": {"x_reg": _loader("x_reg"), "x_syn": _loader("x_syn")}},
    )  # fmt: skip
    rows = pd.DataFrame(list(_rows(test, count)), columns=list(COLUMNS))
    return Report("deblur", rows, METRICS, METHODS, pictures, test=test, baseline="Plain")


@pytest.fixture(scope="session")
def page_report() -> Report:
    """30 images, of which image i03 of Prior cannot be read, and 5 of another test set."""
    environment = {"python": "3.11", "packages": {"torch": "2.9"}}
    provenance = Provenance(
        "name: deblur\nseeds: [1, 2]\n",
        "quick",
        environment,
        {"Plain-1": "Plain score"},
        ("few images", "diverged at step 7"),
    )
    return replace(_report("test", 30), provenance=provenance, ood=(_report("photos", 5),))


NASTY = "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u2028'\"&{{7*7}}<!--"


@pytest.fixture(scope="session")
def nasty_page_report(page_report: Report) -> Report:
    """The same with markup and script in everything that a user names; `name` is that text alone."""
    citation = Citation(NASTY, NASTY, NASTY, f"javascript:alert(1)//{NASTY}", NASTY, NASTY)
    names = {method.label: method.label + NASTY for method in METHODS}
    methods = [
        MethodInfo(names[method.label], method.family, method.reason and NASTY, notes=(NASTY,), citation=citation)
        for method in METHODS
    ]
    metrics = [replace(m, label=NASTY, protocol=NASTY, unavailable=m.unavailable and NASTY) for m in METRICS]
    rows = page_report.rows.assign(
        key=NASTY,
        method=page_report.rows.method.map(names),
        image=page_report.rows.image.map(lambda image: image and image + NASTY),
    )
    assert page_report.pictures is not None
    ids = tuple(image + NASTY for image in page_report.pictures.ids)
    missing = {names[label]: _missing for label in page_report.pictures.restored}
    pictures = Pictures((), _loader("lq"), _loader("gt"), missing, ids=ids)
    provenance = Provenance(NASTY, NASTY, {NASTY: {NASTY: NASTY}}, {NASTY: NASTY}, (NASTY,))
    return Report(NASTY, rows, tuple(metrics), tuple(methods), pictures, test=NASTY, provenance=provenance)


def _missing(image: str) -> np.ndarray:
    raise DataError(f"{image}: {NASTY}")


REQUIRED = "BENCH_BROWSER_REQUIRED"
"""Set where a missing browser must be a failure (.ci/run)."""


def _absent(reason: str) -> None:
    if os.environ.get(REQUIRED):
        pytest.fail(f"{reason}, and {REQUIRED} is set")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _absent("playwright is not installed: pip install -e '.[test]'")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        _absent("no chromium on PATH: install your distribution's package `chromium`")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield launched
        launched.close()
