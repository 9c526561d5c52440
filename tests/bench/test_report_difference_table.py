"""The table of differences in every rendering: groups under their base, signs, stars, p-values, captions."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bench.report.difference import paired_differences
from bench.report.difference_table import tabulate_differences
from bench.report.model import COLUMNS, MethodInfo, MetricInfo, Report
from bench.report.render_console import render_console
from bench.report.render_csv import render_csv
from bench.report.render_latex import render_latex
from bench.report.render_markdown import render_markdown
from bench.report.table import Table

METRICS = (
    MetricInfo("psnr", "PSNR", "up", 2, "psnr/rgb"), MetricInfo("lpips", "LPIPS", "down", 3, "lpips/alex"),
    MetricInfo("fid", "FID", "down", 2, "fid/inception"),
)  # fmt: skip
METHODS = (
    MethodInfo("in", "input"), MethodInfo("nafnet", "regression"), MethodInfo("gfpgan", "generative"),
    MethodInfo("ours", "hybrid"), MethodInfo("gcfsr", "generative", reason="super-resolution only"),
    MethodInfo("ours: w/o b", "hybrid", base="ours", variant="w/o b"),
    MethodInfo("ours: a_1", "hybrid", base="ours", variant="a_1"),
)  # fmt: skip
MEANS = {
    "in": (20, 0.5), "nafnet": (26, 0.3), "gfpgan": (22, 0.2), "ours": (26, 0.25), "ours: w/o b": (25, 0.25),
    "ours: a_1": (27, 0.24),
}  # fmt: skip
IMAGES = 20


def make_report(baseline: str | None = "nafnet") -> Report:
    rng = np.random.default_rng(0)
    rows = []
    for label, (psnr, lpips) in MEANS.items():
        noise = rng.normal(size=IMAGES)
        noise -= noise.mean()  # so that means are exact
        for i in range(IMAGES):
            rows.append(("r", "test", label, "", 7, f"i{i}", "psnr", psnr + 0.1 * noise[i], "k"))
            rows.append(("r", "test", label, "", 7, f"i{i}", "lpips", lpips + 0.001 * noise[i], "k"))
        rows.append(("r", "test", label, "", 7, "", "fid", 10 * lpips, "k"))
    return Report("deblur", pd.DataFrame(rows, columns=list(COLUMNS)), METRICS, METHODS, baseline=baseline)


def tabulated(report: Report) -> Table:
    table = tabulate_differences(report)
    assert table is not None
    return table


def console_text(table: Table, width: int = 160) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(render_console(table))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_rows_stand_under_their_base_in_the_order_of_the_report() -> None:
    assert [(row.title, row.base) for row in tabulated(make_report()).rows] == [
        ("nafnet (base)", True), ("in", False), ("gfpgan", False), ("ours", False), ("gcfsr", False),
        ("ours (base)", True), ("w/o b", False), ("a_1", False),
    ]  # fmt: skip
    assert [row.title for row in tabulated(make_report(baseline=None)).rows] == ["ours (base)", "w/o b", "a_1"]


def test_without_a_base_there_is_no_table() -> None:
    report = make_report(baseline=None)
    plain = replace(report, methods=tuple(replace(m, base=None, variant=None) for m in report.methods))
    assert tabulate_differences(plain) is None
    empty = replace(make_report(), rows=report.rows[:0])
    assert tabulate_differences(empty) is None


def test_a_baseline_that_no_row_has_compares_nothing() -> None:
    report = make_report(baseline="nafnett")
    with pytest.raises(ValueError, match="'nafnett', which rows are compared with, is none of its rows"):
        tabulate_differences(report)


def test_significant_differences_say_which_way_is_better() -> None:
    marks = {row.title: [cell.mark for cell in row.cells] for row in tabulated(make_report()).rows}
    assert marks["nafnet (base)"] == [None, None, None]
    assert marks["in"] == [None, None, None]
    assert marks["gfpgan"] == ["worse", "better", None]
    assert marks["ours"] == [None, "better", None]
    assert marks["w/o b"] == ["worse", None, None]


def test_every_rendering_has_signs_and_stars() -> None:
    table = tabulated(make_report())
    markdown = render_markdown(table)
    gfpgan = next(line for line in markdown.splitlines() if "gfpgan" in line)
    assert r"| -4.00\* [" in " ".join(gfpgan.split())
    assert r"**-0.100**\* [-0.10" in gfpgan
    assert gfpgan.endswith("|  -1.00 |")
    variant = next(line for line in markdown.splitlines() if "a\\_1" in line)
    assert r"| **+1.00**\* [" in " ".join(variant.split())
    latex = render_latex(table)
    assert r"\textbf{$-$0.100}\textsuperscript{*}$_{-0.1" in latex
    assert latex.count(r"\midrule") == 2
    text = console_text(table)
    assert "-0.100*" in text
    assert "+1.00*" in text
    assert "gcfsr: n/a: super-resolution only" in text


def test_captions_say_what_was_tested() -> None:
    for text in (console_text(tabulated(make_report())), render_markdown(tabulated(make_report()))):
        words = " ".join(text.split()).replace("\\", "")
        assert "image by image; seed 7." in words
        assert "* p < 0.05, in bold if better: two-sided paired permutation test over 20 images" in words
        assert "(10,000 random sign flips), with Holm's correction for the 4 rows of a column" in words
        assert "not whether another training would" in words
        assert "FID: one value of the whole set, so that there is nothing to test." in words


def test_csv_has_the_base_and_both_p_values() -> None:
    report = make_report()
    differences = paired_differences(report)
    records = {(r["method"], r["column"]): r for r in csv.DictReader(io.StringIO(render_csv(tabulated(report))))}
    found, record = differences["ours: w/o b", "psnr"], records["w/o b", "psnr"]
    assert (record["base"], float(record["value"])) == ("ours", found.value)
    assert (float(record["p"]), float(record["p_adjusted"])) == (found.p, found.adjusted)
    assert (record["images"], record["mark"]) == ("20", "worse")
    fid = records["gfpgan", "fid"]
    assert (fid["base"], fid["p"], fid["p_adjusted"]) == ("nafnet", "", "")
    assert records["nafnet", "psnr"]["base"] == ""
    assert records["gcfsr", "psnr"]["note"] == "n/a: super-resolution only"


def test_fewer_pairs_are_told() -> None:
    report = make_report()
    gone = (report.rows.method == "gfpgan") & (report.rows.image == "i3") & (report.rows.metric == "psnr")
    table = tabulated(replace(report, rows=report.rows[~gone]))
    gfpgan = next(row for row in table.rows if row.label == "gfpgan")
    assert [table.footnotes[note - 1] for note in gfpgan.cells[0].notes] == [
        "over the 19 of 20 images of which both rows have a finite value"
    ]
    assert gfpgan.cells[1].notes == ()


def test_no_difference_has_no_sign() -> None:
    report = make_report()
    same = report.rows.copy()
    same.loc[same.method == "gfpgan", "value"] = same.loc[same.method == "nafnet", "value"].to_numpy()
    gfpgan = next(
        line for line in render_markdown(tabulated(replace(report, rows=same))).splitlines() if "gfpgan" in line
    )
    assert "| 0.00 [0.00, 0.00] |" in " ".join(gfpgan.split())
