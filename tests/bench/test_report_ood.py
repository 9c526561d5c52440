"""Tables of other test sets: values, drops between unpaired sets, and gains over the input."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from math import inf

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bench.report.model import COLUMNS, MethodInfo, MetricInfo, Report
from bench.report.ood_table import tabulate_ood
from bench.report.render_csv import render_csv
from bench.report.render_latex import render_latex
from bench.report.render_markdown import render_markdown
from bench.report.statistics import Estimate
from bench.report.table import Row, Table

PSNR = MetricInfo("psnr", "PSNR", "up", 2, "psnr/rgb")
LPIPS = MetricInfo("lpips", "LPIPS", "down", 4, "lpips/alex")
METHODS = (
    MethodInfo("in", "input"), MethodInfo("a", "regression"), MethodInfo("b", "hybrid"),
    MethodInfo("dead", "hybrid", reason="diverged"),
)  # fmt: skip


def fid(images: int) -> MetricInfo:
    return MetricInfo("fid", "FID", "down", 2, f"fid/N={images}")


def make_report(test: str, means: dict[str, float], images: int, seed: int = 0) -> Report:
    """PSNR of `means` (method by method the same noise), LPIPS a hundredth of it, FID ten times that."""
    noise = np.random.default_rng(seed).normal(size=images)
    rows = []
    for label, mean in means.items():
        for i, value in enumerate(mean + noise - noise.mean()):
            rows.append(("r", test, label, "", 1, f"i{i}", "psnr", value, "k"))
            rows.append(("r", test, label, "", 1, f"i{i}", "lpips", value / 100, "k"))
        rows.append(("r", test, label, "", 1, "", "fid", 10 * mean, "k"))
    metrics = (PSNR, LPIPS, fid(images))
    return Report("deblur", pd.DataFrame(rows, columns=list(COLUMNS)), metrics, METHODS, test=test)


MAIN = make_report("test", {"in": 20.0, "a": 26.0, "b": 25.0}, images=40)
PHOTOS = make_report("photos", {"in": 18.0, "a": 21.0, "b": 22.5}, images=30, seed=1)
FACES = make_report("faces", {"in": 20.0, "a": 26.0}, images=8, seed=2)
REPORT = replace(MAIN, ood=(PHOTOS, FACES))


def estimates(row: Row) -> list[Estimate]:
    return [cell.estimate for cell in row.cells if cell.estimate is not None]


def test_a_line_tells_all_of_a_row() -> None:
    psnr, _, _ = tabulate_ood(REPORT)
    assert [column.name for column in psnr.columns] == [
        "psnr@test", "psnr@photos", "psnr@faces", "psnr@photos-test", "psnr@faces-test",
        "psnr-gain@test", "psnr-gain@photos", "psnr-gain@faces",
    ]  # fmt: skip
    assert [e.value for e in estimates(psnr.rows[1])] == pytest.approx([26, 21, 26, -5, 0, 6, 3, 6])
    assert [e.value for e in estimates(psnr.rows[0])] == pytest.approx([20, 18, 20, -2, 0])
    assert [e.value for e in estimates(psnr.rows[2])] == pytest.approx([25, 22.5, -2.5, 5, 4.5])
    assert psnr.rows[3].reason == "diverged"


def test_gains_are_only_of_what_grows_with_quality_and_need_an_input() -> None:
    _, lpips, _ = tabulate_ood(REPORT)
    assert not any("gain" in column.name for column in lpips.columns)
    headless = tuple(part_without_input(part) for part in (MAIN, PHOTOS))
    psnr, *_ = tabulate_ood(replace(headless[0], ood=headless[1:]))
    assert not any("gain" in column.name for column in psnr.columns)
    assert not any("Gains" in remark for remark in psnr.remarks)


def part_without_input(part: Report) -> Report:
    return replace(part, rows=part.rows[part.rows.method != "in"], methods=part.methods[1:])


def test_intervals_of_drops_are_unpaired() -> None:
    """Welch's interval of two independent means, within Monte Carlo error and the bootstrap's factor of sqrt((n - 1) / n)."""
    psnr, *_ = tabulate_ood(replace(MAIN, ood=(PHOTOS,)))
    drop = psnr.rows[1].cells[2].estimate
    assert drop is not None
    assert drop.interval is not None
    here, there = (part.rows[(part.rows.method == "a") & (part.rows.metric == "psnr")].value for part in (MAIN, PHOTOS))
    expected = stats.ttest_ind(there, here, equal_var=False).confidence_interval(0.95)
    assert drop.interval == pytest.approx((expected.low, expected.high), abs=0.06)


def test_equally_many_images_are_no_pairs() -> None:
    """Equal resamples of equally large sets would cancel, and the interval of a set against itself be nothing."""
    again = replace(MAIN, test="again")
    psnr, *_ = tabulate_ood(replace(MAIN, ood=(again,)))
    drop = psnr.rows[1].cells[2].estimate
    assert drop is not None
    assert drop.interval is not None
    assert drop.value == 0
    assert drop.interval[1] - drop.interval[0] > 0.5


def test_gains_are_paired() -> None:
    """Methods differ by a constant on every image, so that their gain has no spread at all."""
    psnr, *_ = tabulate_ood(REPORT)
    gain = psnr.rows[1].cells[5].estimate
    assert gain is not None
    assert gain.interval == pytest.approx((6, 6))


def test_set_metrics_have_values_and_each_set_its_protocol() -> None:
    _, _, table = tabulate_ood(replace(MAIN, ood=(PHOTOS,)))
    drop = table.rows[1].cells[2].estimate
    assert drop is not None
    assert (drop.value, drop.interval) == (-50.0, None)
    assert [column.protocol for column in table.columns] == ["fid/N=40", "fid/N=30", ""]
    assert table.footnotes == ("FID: fid/N=40", "FID: fid/N=30")
    assert not any("Intervals" in remark for remark in table.remarks)


def test_without_other_sets_or_values_there_is_no_table() -> None:
    assert tabulate_ood(MAIN) == ()
    empty = replace(PHOTOS, rows=PHOTOS.rows[:0])
    assert tabulate_ood(replace(MAIN, ood=(empty,))) == ()
    unavailable = replace(PHOTOS, rows=PHOTOS.rows[PHOTOS.rows.metric != "lpips"])
    assert [table.columns[0].name for table in tabulate_ood(replace(MAIN, ood=(unavailable,)))] == [
        "psnr@test",
        "fid@test",
    ]


def test_infinite_values_have_no_drop() -> None:
    rows = PHOTOS.rows.copy()
    rows.loc[(rows.method == "a") & (rows.image == "i0") & (rows.metric == "psnr"), "value"] = inf
    psnr, *_ = tabulate_ood(replace(MAIN, ood=(replace(PHOTOS, rows=rows),)))
    value, drop, gain = (psnr.rows[1].cells[i].estimate for i in (1, 2, 4))
    assert value is not None
    assert value.value == inf
    assert drop is None
    assert gain is not None
    assert gain.images == 29


def test_every_rendering_prints_them() -> None:
    tables = tabulate_ood(REPORT)
    psnr: Table = tables[0]
    markdown = " ".join(render_markdown(psnr).split())
    assert "# deblur: PSNR on other test sets" in markdown
    assert "| ● a | **26.00** [" in markdown
    assert "| -5.00 [" in markdown
    assert "| +6.00 [6.00, 6.00] |" in markdown
    assert "Images: test 40, photos 30, faces 8." in markdown
    assert "Gains are over in on the same images." in markdown
    assert r"photos $-$ test" in render_latex(psnr)
    assert r"$-$5.00$_{-5." in render_latex(psnr)
    records = list(csv.DictReader(io.StringIO(render_csv(*tables))))
    assert {r["column"].partition("@")[0] for r in records} == {"psnr", "psnr-gain", "lpips", "fid"}
    drop = next(r for r in records if (r["method"], r["column"]) == ("a", "psnr@photos-test"))
    assert float(drop["value"]) == pytest.approx(-5)
    assert (drop["base"], drop["p"]) == ("test", "")
