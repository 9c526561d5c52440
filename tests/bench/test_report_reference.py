"""Published values beside ours: read from a file, shown in every rendering, never mistaken for a result."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest
from rich.console import Console

from bench.errors import SuiteError
from bench.report.model import COLUMNS, MethodInfo, MetricInfo, Report
from bench.report.reference import Reference, read_reference
from bench.report.render_console import render_console
from bench.report.render_csv import render_csv
from bench.report.render_latex import render_latex
from bench.report.render_markdown import render_markdown
from bench.report.table import Table
from bench.report.tabulation import tabulate

FILE = """# source: the paper, Table 2 (RTX 3090)
method,parameters,latency
nafnet,17.1,45.2
vqfr,76.6,
"""


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "published.csv"
    path.write_text(text)
    return path


def test_values_have_a_source_and_may_be_unknown(tmp_path: Path) -> None:
    reference = read_reference(write(tmp_path, FILE))
    assert reference.source == "the paper, Table 2 (RTX 3090)"
    assert reference.value("nafnet", "latency") == 45.2
    assert reference.value("vqfr", "latency") is None
    assert reference.value("gpen", "parameters") is None


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("method,psnr\n", r"published.csv:1: `# source: TEXT`"),
        ("# source: x\npsnr\n30\n", r"published.csv:2: the header must begin with `method`"),
        ("# source: x\nmethod,psnr\nnafnet,many\n", r"published.csv:3: psnr: a number is wanted, found 'many'"),
        ("# source: x\nmethod,psnr\nnafnet,nan\n", r"published.csv:3: psnr: a number is wanted, found 'nan'"),
        ("# source: x\nmethod,psnr\nnafnet,-inf\n", r"published.csv:3: psnr: a number is wanted, found '-inf'"),
        ("# source: x\nmethod,psnr\nnafnet,30,31\n", r"published.csv:3: more fields than the header"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(SuiteError, match=problem):
        read_reference(write(tmp_path, text))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match=r"none\.csv: reference values cannot be read"):
        read_reference(tmp_path / "none.csv")


def table() -> Table:
    rows = pd.DataFrame([("r", "test", "nafnet", "", 1, "i", "psnr", 28.0, "k")], columns=list(COLUMNS))
    metric = MetricInfo("psnr", "PSNR", "up", 2, "psnr/rgb")
    reference = Reference(
        "Table 1", {("nafnet", "psnr"): 29.53, ("vqfr", "psnr"): 21.8, ("nafnet", "parameters"): 17.1}
    )
    methods = (
        MethodInfo("nafnet", "regression", parameters=17_112_000),
        MethodInfo("vqfr", "generative", reason="super-resolution only"),
    )
    return tabulate(Report("deblur", rows, (metric,), methods, reference=reference))


def test_it_stands_beside_ours_in_every_rendering() -> None:
    console = Console(file=io.StringIO(), width=100)
    console.print(render_console(table()))
    assert isinstance(console.file, io.StringIO)
    texts = [console.file.getvalue(), render_markdown(table()), render_latex(table())]
    for text in texts:
        assert "In parentheses: Table 1." in " ".join(text.split())
        assert "(29.53)" in text
        assert "(17.1)" in text
    records = {(r["method"], r["column"]): r for r in csv.DictReader(io.StringIO(render_csv(table())))}
    assert (records["nafnet", "psnr"]["value"], records["nafnet", "psnr"]["reference"]) == ("28.0", "29.53")
    assert (records["vqfr", "psnr"]["value"], records["vqfr", "psnr"]["reference"]) == ("", "21.8")


def test_it_is_never_ranked() -> None:
    [psnr] = [row.cells[0] for row in table().rows if row.label == "nafnet"]
    assert psnr.estimate is not None
    assert psnr.estimate.value == 28.0
    assert all(cell.mark is None for row in table().rows if row.label == "vqfr" for cell in row.cells)
