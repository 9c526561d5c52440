"""The table model and its four renderings: marks, n/a, footnotes, escaping, and a golden file."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bench.report.latex import breakable, escape_latex
from bench.report.model import COLUMNS, Family, Latency, MethodInfo, MetricInfo, Report
from bench.report.reference import Reference
from bench.report.render_console import render_console
from bench.report.render_csv import render_csv
from bench.report.render_latex import render_latex
from bench.report.render_markdown import escape_markdown, render_markdown
from bench.report.table import Table
from bench.report.tabulation import tabulate

GOLDEN = Path(__file__).parents[1] / "goldens" / "report" / "table.md"
PSNR = MetricInfo("psnr", "PSNR", "up", 2, "psnr/rgb/uint8")
SWD = MetricInfo("swd", "SWD", "down", 3, "swd/7x7")
FID = MetricInfo("fid", "FID", "down", 2, "fid/inception", unavailable="weights are missing")


def make_rows(means: dict[str, tuple[float, float]], seeds: tuple[int, ...] = (1,), images: int = 8) -> pd.DataFrame:
    rows = []
    for method, (psnr, swd) in means.items():
        for seed in seeds:
            offsets = np.linspace(-2, 2, images) if images > 1 else np.zeros(1)
            for i, offset in enumerate(offsets):
                rows.append(("r", "test", method, "", seed, f"i{i}", "psnr", psnr + offset + 0.1 * seed, f"k-{method}"))
            rows.append(("r", "test", method, "", seed, "", "swd", swd + 0.01 * seed, f"k-{method}"))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def small_report() -> Report:
    families: dict[str, Family] = {
        "Input": "input",
        "NAFNet": "regression",
        "GFP-GAN": "generative",
        "UGPNet": "hybrid",
    }
    means = {"Input": (40.0, 0.01), "NAFNet": (26.0, 3.9), "GFP-GAN": (23.0, 1.2), "UGPNet": (25.5, 1.1)}
    methods = [
        MethodInfo(
            label,
            family,
            parameters=None if label == "Input" else 1_250_000,
            macs=None if label == "Input" else 3.2e9,
            latency=None if label == "Input" else Latency(12.5, 12.0, 14.0, "CPU, 2 threads"),
            notes=("no ArcFace loss",) if label == "GFP-GAN" else (),
        )
        for label, family in families.items()
    ]
    methods.append(MethodInfo("GCFSR", "generative", reason="super-resolution only"))
    return Report("deblur", make_rows(means, seeds=(1, 2)), (PSNR, SWD, FID), tuple(methods))


def console_text(table: Table, width: int) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    console.print(render_console(table))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_markdown_matches_the_golden_file() -> None:
    assert render_markdown(tabulate(small_report())) == GOLDEN.read_text(encoding="utf-8")


def test_the_input_is_never_marked_and_the_others_are() -> None:
    table = tabulate(small_report())
    marks = {row.label: [cell.mark for cell in row.cells[:2]] for row in table.rows}
    assert marks == {
        "Input": [None, None],
        "NAFNet": ["best", None],
        "GFP-GAN": [None, "second"],
        "UGPNet": ["second", "best"],
        "GCFSR": [None, None],
    }


def test_unavailable_metrics_and_methods_say_why_in_every_format() -> None:
    table = tabulate(small_report())
    for text in (render_markdown(table), render_latex(table), render_csv(table), console_text(table, 200)):
        assert "n/a: super-resolution only" in text
        assert "n/a: weights are missing" in text


@pytest.mark.parametrize(
    ("width", "shown"),
    [(200, "26.15 ± 0.07 (29.53)"), (100, "26.15 (29.53)"), (80, " (29.53) "), (50, " (29.53) "), (44, " (29.53) ")],
)
def test_a_narrow_terminal_gets_fewer_details_and_every_mean_whole(width: int, shown: str) -> None:
    published = Reference("elsewhere", {("NAFNet", "psnr"): 29.53, ("UGPNet", "swd"): 8.025, ("UGPNet", "fid"): 8.02})
    text = console_text(tabulate(replace(small_report(), reference=published)), width)
    assert "…" not in text
    assert all(mean in text for mean in ("26.15", "25.65", "23.15", "3.915", "1.115", "1.215"))
    assert shown in text


def test_cost_columns_appear_only_where_known() -> None:
    names = [column.name for column in tabulate(small_report()).columns]
    assert names == ["psnr", "swd", "fid", "rank", "parameters", "macs", "latency"]
    bare = Report("x", make_rows({"a": (20.0, 1.0)}), (PSNR,), (MethodInfo("a", "regression"),))
    assert [column.name for column in tabulate(bare).columns] == ["psnr"]


def test_latencies_of_different_devices_carry_their_own_footnotes() -> None:
    methods = tuple(
        MethodInfo(name, "regression", latency=Latency(5.0, 4.0, 6.0, device))
        for name, device in (("a", "CPU"), ("b", "H200"))
    )
    table = tabulate(Report("x", make_rows({"a": (20.0, 1.0), "b": (21.0, 1.0)}), (), methods))
    assert table.columns[0].notes == ()
    assert [table.footnotes[row.cells[0].notes[0] - 1].split()[-1] for row in table.rows] == ["CPU", "H200"]


def test_infinite_psnr_is_shown_and_explained() -> None:
    rows = make_rows({"a": (20.0, 1.0), "b": (21.0, 1.0)}, images=2)
    rows.loc[(rows.method == "a") & (rows.image == "i0"), "value"] = inf
    table = tabulate(Report("x", rows, (PSNR,), (MethodInfo("a", "regression"), MethodInfo("b", "hybrid"))))
    note = "infinite on 1 of 2 images; the mean of the other 1 is 22.10"
    assert table.footnotes[table.rows[0].cells[0].notes[0] - 1] == note
    assert "**∞**" in render_markdown(table)
    assert r"\textbf{$\infty$}" in render_latex(table)
    assert ",inf," in render_csv(table)
    assert "∞" in console_text(table, 100)


def test_missing_images_and_missing_values_are_explained() -> None:
    rows = make_rows({"a": (20.0, 1.0), "b": (21.0, 1.0)}, images=4)
    rows = rows[~((rows.method == "b") & ((rows.image == "i3") | (rows.metric == "swd")))]
    methods = (MethodInfo("a", "regression"), MethodInfo("b", "hybrid", reason="seed 2 diverged"))
    table = tabulate(Report("x", rows, (PSNR, SWD), methods))
    assert "mean over 3 of 4 images; the others have no value" in table.footnotes
    assert "incomplete: seed 2 diverged" in table.footnotes
    assert table.rows[1].reason is None
    silent = tabulate(Report("x", rows, (PSNR, SWD), (methods[0], MethodInfo("b", "hybrid"))))
    assert "n/a: no SWD value of b was recorded" in silent.footnotes


def test_one_method_and_one_image_still_make_a_table() -> None:
    report = Report("x", make_rows({"a": (20.0, 1.0)}, images=1), (PSNR,), (MethodInfo("a", "regression"),))
    table = tabulate(report)
    assert "| ● a    |   20.10 |" in render_markdown(table)
    assert "1 test image, seed 1." in table.remarks
    assert not any("bold" in remark or "Intervals" in remark for remark in table.remarks)


def test_no_rows_at_all_make_a_table_of_reasons() -> None:
    methods = (MethodInfo("a", "regression", reason="diverged"),)
    text = render_markdown(tabulate(Report("x", make_rows({}), (PSNR,), methods)))
    assert "n/a: diverged" in text


def test_rows_of_an_undescribed_method_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"rows of \['a'\]"):
        tabulate(Report("x", make_rows({"a": (20.0, 1.0)}), (PSNR,), ()))


def test_csv_holds_full_precision_and_the_job_keys() -> None:
    records = list(csv.DictReader(io.StringIO(render_csv(tabulate(small_report())))))
    psnr = next(record for record in records if (record["method"], record["column"]) == ("UGPNet", "psnr"))
    assert float(psnr["value"]) == pytest.approx(25.65, abs=1e-12)
    assert float(psnr["low"]) < 25.65 < float(psnr["high"])
    assert float(psnr["seed_std"]) == pytest.approx(0.1 / 2**0.5, abs=1e-12)
    assert (psnr["images"], psnr["seeds"], psnr["mark"], psnr["key"]) == ("8", "1 2", "second", "k-UGPNet")
    assert psnr["protocol"] == "psnr/rgb/uint8"
    fid = next(record for record in records if (record["method"], record["column"]) == ("NAFNet", "fid"))
    assert (fid["value"], fid["note"]) == ("", "n/a: weights are missing")


NASTY = r"a_b & 50% | #1 {x} ~^\ <i> $5 [q] `c` *d*"


def test_markdown_special_characters_are_escaped() -> None:
    assert escape_markdown("a|b_c\n*d*") == r"a\|b\_c \*d\*"
    assert escape_markdown("<b>&amp;") == r"\<b\>&amp;amp;"
    line = render_markdown(tabulate(nasty_report())).splitlines()[4]
    assert len(re.findall(r"(?<!\\)\|", line)) == 3  # one column of labels, one of numbers


def test_latex_special_characters_are_escaped() -> None:
    assert escape_latex(r"50% & $a_1 {b} #2 ~^\ <") == (
        r"50\% \& \$a\_1 \{b\} \#2 \textasciitilde{}\textasciicircum{}\textbackslash{} \textless{}"
    )
    assert escape_latex("\N{GREEK SMALL LETTER SIGMA}=0.3, λ ≤ Ω\n8° ±1 漢") == (
        r"$\sigma$=0.3, $\lambda$ $\leq$ $\Omega$ 8$^\circ$ $\pm$1 ?"
    )
    assert breakable("a/b-c and clip/vit_b") == "a/b-c and clip/vit\\_b"
    assert breakable("clip/vit_b-32-openai") == (
        r"clip/\allowbreak{}vit\_\allowbreak{}b-\allowbreak{}32-\allowbreak{}openai"
    )


def nasty_report() -> Report:
    return Report(NASTY, make_rows({NASTY: (20.0, 1.0)}), (PSNR,), (MethodInfo(NASTY, "hybrid"),))


@pytest.mark.parametrize("report", [small_report(), nasty_report()], ids=["small", "nasty"])
def test_latex_is_well_formed(report: Report) -> None:
    table = tabulate(report)
    source = "\n".join(line for line in render_latex(table).splitlines() if not line.startswith("%"))
    assert source.isascii()
    begun, ended = re.findall(r"\\begin\{(\S+?)\}", source), re.findall(r"\\end\{(\S+?)\}", source)
    assert begun == ended[::-1]
    bare = re.sub(r"\\[\\%&#$_{}]", "", source)
    assert bare.count("$") % 2 == 0
    assert not set(bare) & set("#%")
    depths = np.cumsum([(c == "{") - (c == "}") for c in bare])
    assert depths.min() >= 0
    assert depths[-1] == 0
    for line in body(source):
        spans = [int(n) - 1 for n in re.findall(r"\\multicolumn\{(\d+)\}", line)]
        assert len(re.findall(r"(?<!\\)&", line)) + sum(spans) == len(table.columns)


def body(source: str) -> list[str]:
    lines = source.split(r"\toprule")[1].split(r"\bottomrule")[0].splitlines()
    return [line for line in lines if line.endswith(r"\\")]


def test_latex_cells_carry_marks_spread_and_interval() -> None:
    source = render_latex(tabulate(small_report()))
    cell = r"\\textbf\{26\.15\}\{\\scriptsize\$\\,\\pm\\,\$0\.07\}\$_\{25\.\d\d\}\^\{27\.\d\d\}\$"
    assert re.search(r"NAFNet & " + cell, source)
    assert r"\underline{25.65}" in source
    assert r"\caption[{deblur}]" in source
    assert r"\multicolumn{3}{l}{\footnotesize n/a: super-resolution only}" in source
    assert "psnr/\\allowbreak{}rgb/\\allowbreak{}uint8" in source


def test_console_drops_detail_rather_than_breaking_lines() -> None:
    table = tabulate(small_report())
    assert "[24." in console_text(table, 160)
    narrow = console_text(table, 60)
    assert "[24." not in narrow
    assert "…" not in narrow
    assert "26.15" in narrow


def test_console_reads_no_markup_in_labels() -> None:
    rows = make_rows({"[red]x[/red]": (20.0, 1.0)})
    table = tabulate(Report("x", rows, (PSNR,), (MethodInfo("[red]x[/red]", "hybrid"),)))
    assert "[red]x[/red]" in console_text(table, 100)
