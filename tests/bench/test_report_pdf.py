"""The LaTeX tables go through pdflatex, whatever stands in names and notes, and fit the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bench.report.model import COLUMNS, Latency, MethodInfo, MetricInfo, Report
from bench.report.reference import Reference
from bench.report.render_latex import PREAMBLE, render_latex
from bench.report.tables import report_tables

NASTY = r"a_b & 50% | #1 {x} ~^\ <i> $5 [q] `c` *d* → λ ≤ 8° 漢"
METRICS = (
    MetricInfo("psnr", "PSNR [dB]", "up", 2, "psnr/rgb/8bit/crop0/v1"),
    MetricInfo("lpips", "LPIPS_vgg", "down", 4, "lpips/vgg0.1/rgb/8bit/v1/weights:7be5be79"),
    MetricInfo("fid", "FID", "down", 2, "", unavailable="no weights: run `bench weights fetch inception` & retry"),
)


def make_part(test: str, shift: float) -> Report:
    rng = np.random.default_rng(0)
    methods = (
        MethodInfo("[in]", "input"), MethodInfo(NASTY, "regression", parameters=17_000_000, macs=3e9, notes=(NASTY,)),
        MethodInfo("ours", "hybrid", latency=Latency(5, 4, 6, "CPU_1 [2 threads]")),
        MethodInfo("ours: w/o R_se", "hybrid", base="ours", variant="w/o R_se & R_{mg}"),
        MethodInfo("[gone]", "generative", reason="diverged at 100% of step #3, loss_g = $\\infty"),
    )  # fmt: skip
    rows = [
        ("r", test, method.label, "", seed, f"i{i}", metric.name, shift + k + rng.normal(), "k")
        for k, method in enumerate(methods[:4]) for seed in (1, 2) for metric in METRICS[:2] for i in range(5)
    ]  # fmt: skip
    reference = Reference(NASTY, {(NASTY, "psnr"): 29.5, ("ours", "psnr"): 28.0})
    return Report(
        NASTY,
        pd.DataFrame(rows, columns=list(COLUMNS)),
        METRICS,
        methods,
        reference=reference,
        test=test,
        baseline=NASTY,
    )


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_every_table_of_a_nasty_report_compiles_and_fits(tmp_path: Path) -> None:
    report = replace(make_part("test", 0), ood=(make_part("ph_otos & more", -2),))
    tables = [table for tables in report_tables(report).values() for table in tables]
    assert len(tables) == 4
    packages = PREAMBLE.lstrip("% ")
    body = "\n\\clearpage\n".join(f"\\noindent Text.\n{render_latex(table)}" for table in tables)
    source = f"\\documentclass[twocolumn]{{article}}\n{packages}\n\\begin{{document}}\n{body}\n\\end{{document}}\n"
    (tmp_path / "tables.tex").write_text(source)
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "tables.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=120)
    assert done.returncode == 0, done.stdout[-3000:]
    log = (tmp_path / "tables.log").read_text(errors="replace")
    assert re.search(r"Output written on tables\.pdf \(\d+ pages", log)
    assert "Overfull" not in log
    assert "undefined" not in log
