"""Mean ranks, worked out by hand, and when they are shown; agreement with published values."""

from __future__ import annotations

import csv
import io
from itertools import combinations
from math import inf

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from bench.report.agreement import describe_agreement, reversed_pairs
from bench.report.model import COLUMNS, Family, MethodInfo, MetricInfo, Report
from bench.report.ranking import mean_ranks
from bench.report.reference import Reference
from bench.report.render_console import render_console
from bench.report.render_csv import render_csv
from bench.report.render_latex import render_latex
from bench.report.render_markdown import render_markdown
from bench.report.statistics import Estimate
from bench.report.table import Table
from bench.report.tabulation import tabulate

PSNR = MetricInfo("psnr", "PSNR", "up", 2, "psnr/rgb")
LPIPS = MetricInfo("lpips", "LPIPS", "down", 2, "lpips/alex")
NAMES = ("input", "a", "b", "c", "d")
METHODS = tuple(MethodInfo(name, "input" if name == "input" else "hybrid") for name in NAMES)


def ranks(psnr: dict[str, float], lpips: dict[str, float]) -> dict[str, float]:
    columns = {"psnr": psnr, "lpips": lpips}
    estimates = {(label, name): Estimate(v) for name, column in columns.items() for label, v in column.items()}
    return mean_ranks((PSNR, LPIPS), METHODS, estimates)


def test_mean_ranks_by_hand() -> None:
    assert ranks({"a": 30, "b": 29, "c": 28}, {"a": 0.3, "b": 0.2, "c": 0.1}) == {"a": 2.0, "b": 2.0, "c": 2.0}
    assert ranks({"a": 30, "b": 29, "c": 28}, {"a": 0.3, "b": 0.1, "c": 0.2}) == {"a": 2.0, "b": 1.5, "c": 2.5}


def test_what_is_printed_equal_shares_its_places() -> None:
    found = ranks({"a": 30.001, "b": 30.004, "c": 28}, {"a": 0.1, "b": 0.2, "c": 0.3})
    assert found == {"a": 1.25, "b": 1.75, "c": 3.0}
    assert ranks({"a": inf, "b": inf, "c": 28}, {"a": 0.1, "b": 0.2, "c": 0.3}) == found


def test_the_input_and_incomplete_rows_have_no_rank() -> None:
    psnr = {"input": 50.0, "a": 30.0, "b": 29.0, "c": 28.0, "d": 40.0}
    assert ranks(psnr, {"input": 0.0, "a": 0.1, "b": 0.2, "c": 0.3}) == {"a": 1.0, "b": 2.0, "c": 3.0}


def test_two_rows_or_one_metric_are_too_few() -> None:
    assert ranks({"a": 30, "b": 29}, {"a": 0.1, "b": 0.2}) == {}
    estimates = {(label, "psnr"): Estimate(float(i)) for i, label in enumerate("abcd")}
    assert mean_ranks((PSNR,), METHODS, estimates) == {}


def make_report(values: dict[str, tuple[float, float]], published: dict[str, float]) -> Report:
    families: dict[str, Family] = {"Input": "input", "VQFR": "generative"}
    rows = [
        ("r", "test", label, "", 1, "i", metric, value, "k")
        for label, pair in values.items() for metric, value in zip(("psnr", "lpips"), pair, strict=True)
    ]  # fmt: skip
    reference = Reference("Table_1 [b]", {(label, "psnr"): value for label, value in published.items()})
    methods = tuple(MethodInfo(label, families.get(label, "hybrid")) for label in values)
    return Report("x", pd.DataFrame(rows, columns=list(COLUMNS)), (PSNR, LPIPS), methods, reference=reference)


OURS = {
    "Input": (20.0, 0.5),
    "NAFNet": (26.0, 0.3),
    "GFP-GAN": (22.3, 0.2),
    "GPEN": (22.1, 0.25),
    "UGPNet": (25.0, 0.22),
}
PUBLISHED = {"Input": 99.0, "NAFNet": 29.5, "GFP-GAN": 22.3, "GPEN": 23.0, "UGPNet": 28.0, "VQFR": 21.0}
TAU = "PSNR: Kendall's tau 0.67 over 4 methods; ordered otherwise: GFP-GAN / GPEN"


def texts(table: Table) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    console.print(render_console(table))
    assert isinstance(console.file, io.StringIO)
    return [console.file.getvalue(), render_markdown(table).replace("\\", ""), render_latex(table)]


def test_the_rank_column_is_explained_and_marked() -> None:
    table = tabulate(make_report(OURS, {}))
    [index] = [i for i, column in enumerate(table.columns) if column.name == "rank"]
    assert [row.cells[index].mark for row in table.rows] == [None, None, "best", None, "best"]
    [note] = table.columns[index].notes
    assert table.footnotes[note - 1].startswith("Rank: mean over PSNR, LPIPS of the place among the 4 rows")
    records = {(r["method"], r["column"]): r["value"] for r in csv.DictReader(io.StringIO(render_csv(table)))}
    assert (records["UGPNet", "rank"], records["Input", "rank"]) == ("2.0", "")


def test_agreement_is_said_in_words_and_ranks_no_published_value() -> None:
    table = tabulate(make_report(OURS, PUBLISHED))
    for text in texts(table):
        assert f"Our order against that one: {TAU}." in " ".join(text.split())
    bare = tabulate(make_report(OURS, {}))
    assert [cell.mark for row in table.rows for cell in row.cells] == [c.mark for row in bare.rows for c in row.cells]


@pytest.mark.parametrize(
    "published", [{}, {"NAFNet": 29.5}, {"NAFNet": 29.5, "VQFR": 21.0}, {"Input": 1.0, "GPEN": 2.0}]
)
def test_too_few_published_values_say_nothing(published: dict[str, float]) -> None:
    assert not any("Kendall" in text for text in texts(tabulate(make_report(OURS, published))))


def test_tau_is_the_share_of_agreeing_pairs() -> None:
    rng = np.random.default_rng(0)
    names = [f"m{i}" for i in range(12)]
    ours, published = ({name: float(v) for name, v in zip(names, rng.normal(size=12), strict=True)} for _ in range(2))
    otherwise = reversed_pairs(names, ours, published)
    pairs = list(combinations(names, 2))
    text = describe_agreement("X", ours, published)
    assert text is not None
    assert text.startswith(f"X: Kendall's tau {(len(pairs) - 2 * len(otherwise)) / len(pairs):.2f} over 12 methods")
    assert text.endswith(f" and {len(otherwise) - 6} more")


def test_orders_without_any_difference_have_no_tau() -> None:
    assert describe_agreement("X", {"a": 1.0, "b": 1.0}, {"a": 1.0, "b": 2.0}) is None
    assert describe_agreement("X", {"a": 1.0, "b": 3.0}, {"a": 1.0, "b": 2.0}) == "X: Kendall's tau 1.00 over 2 methods"
    # A tie is no other order.
    tied = describe_agreement("X", {"a": 1.0, "b": 1.0, "c": 3.0}, {"a": 1.0, "b": 2.0, "c": 3.0})
    assert tied == "X: Kendall's tau 0.82 over 3 methods"
