"""Runs side by side: which rows are one, how clashing ones are called, and which runs are refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.compare import join_reports
from bench.errors import BenchError
from bench.report.model import COLUMNS, Latency, MethodInfo, MetricInfo, Report
from bench.report.saved import save_report
from bench.report.write import write_report

PSNR = MetricInfo("psnr", "PSNR", "up", 2, "psnr/rgb/v1")
LPIPS = MetricInfo("lpips", "LPIPS", "down", 4, "lpips/alex/v1")
IDENTITY = {"task": "deblur", "data": {"sha256": "d1"}, "degradation": {"operators": [{"op": "blur"}]}, "seed": 0}


def make_report(rows: dict[str, dict[int, str]], metrics: tuple[MetricInfo, ...] = (PSNR,), **changed: Any) -> Report:
    """Rows by label: seed -> job key; the value of an image is a function of the key."""
    table = [
        ("r", "test", label, "", seed, f"i{i}", metric.name, float(sum(map(ord, key)) + i), key)
        for label, keys in rows.items() for seed, key in keys.items() for metric in metrics for i in range(4)
    ]  # fmt: skip
    methods = tuple(MethodInfo(label, "hybrid", latency=Latency(5, 4, 6, "CPU")) for label in rows)
    report = Report("deblur", pd.DataFrame(table, columns=list(COLUMNS)), metrics, methods, identity=IDENTITY)
    return replace(report, **changed)


def labels(report: Report) -> list[str]:
    assert set(report.rows.method) <= {method.label for method in report.methods}
    return [method.label for method in report.methods]


def test_the_same_jobs_are_one_row_and_other_settings_another() -> None:
    old = make_report({"input": {1: "in"}, "nafnet": {1: "n8"}, "gfpgan": {1: "g"}})
    new = make_report({"input": {1: "in"}, "nafnet": {1: "n16"}, "ours": {1: "o"}})
    joint = join_reports({"old": old, "new": new}).report
    assert labels(joint) == ["input", "nafnet (old)", "gfpgan", "nafnet (new)", "ours"]
    assert len(joint.rows) == 5 * 4
    values = joint.rows.groupby("method")["key"].unique()
    assert (list(values["nafnet (old)"]), list(values["nafnet (new)"])) == (["n8"], ["n16"])
    assert joint.name == "deblur (old, new)"


def test_more_seeds_of_the_same_row_join_it() -> None:
    joint = join_reports({"a": make_report({"n": {1: "x"}}), "b": make_report({"n": {1: "x", 2: "y"}})}).report
    assert labels(joint) == ["n"]
    assert sorted(zip(joint.rows.seed, joint.rows.key, strict=True)) == [(1, "x")] * 4 + [(2, "y")] * 4


def test_what_needs_no_training_is_one_row_whatever_the_seeds() -> None:
    joint = join_reports({"a": make_report({"input": {1: "x"}}), "b": make_report({"input": {2: "x"}})}).report
    assert labels(joint) == ["input"]
    assert len(joint.rows) == 4


def test_another_result_of_the_same_seed_is_another_row() -> None:
    joint = join_reports({"a": make_report({"n": {1: "x", 2: "y"}}), "b": make_report({"n": {1: "x", 2: "z"}})}).report
    assert labels(joint) == ["n (a)", "n (b)"]


def test_equal_rows_within_a_run_stay_two() -> None:
    joint = join_reports(
        {"a": make_report({"n": {1: "x"}, "alias": {1: "x"}}), "b": make_report({"m": {1: "z"}})}
    ).report
    assert labels(joint) == ["n", "alias", "m"]


def test_rows_without_numbers_say_why_once() -> None:
    gone = (MethodInfo("gcfsr", "generative", reason="super-resolution only"),)
    runs = {name: make_report({}, methods=gone) for name in ("a", "b")}
    assert labels(join_reports(runs).report) == ["gcfsr"]
    other = make_report({"gcfsr": {1: "x"}})
    assert labels(join_reports({"a": runs["a"], "b": other}).report) == ["gcfsr (a)", "gcfsr (b)"]


def test_variants_follow_their_renamed_base() -> None:
    def run(base: str, variant: str) -> Report:
        methods = (MethodInfo("n", "hybrid"), MethodInfo("n: w/o", "hybrid", base="n", variant="w/o", regressor="n"))
        return make_report({"n": {1: base}, "n: w/o": {1: variant}}, methods=methods)

    infos = join_reports({"a": run("x", "y"), "b": run("z", "v")}).report.methods
    assert [(i.label, i.base, i.variant, i.regressor) for i in infos] == [
        ("n (a)", None, None, None), ("n: w/o (a)", "n (a)", "w/o (a)", "n (a)"),
        ("n (b)", None, None, None), ("n: w/o (b)", "n (b)", "w/o (b)", "n (b)"),
    ]  # fmt: skip
    shared = join_reports({"a": run("x", "y"), "b": run("x", "v")}).report.methods
    assert [(i.label, i.base, i.variant) for i in shared] == [
        ("n", None, None), ("n: w/o (a)", "n", "w/o (a)"), ("n: w/o (b)", "n", "w/o (b)"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"identity": {**IDENTITY, "data": {"sha256": "d2"}}}, r"data\.sha256: 'd1' in a, 'd2' in b"),
        ({"identity": {**IDENTITY, "seed": 1}}, r"seed: 0 in a, 1 in b"),
        ({"identity": {**IDENTITY, "degradation": None}}, r"degradation: \{.*'blur'.*\} in a, None in b"),
        ({"metrics": (replace(PSNR, protocol="psnr/y/v1"),)}, r"PSNR: 'psnr/rgb/v1' in a, 'psnr/y/v1' in b"),
    ],
)
def test_numbers_that_mean_different_things_are_refused(changed: dict[str, Any], problem: str) -> None:
    with pytest.raises(BenchError, match=f"cannot be compared.*\n.*{problem}"):
        join_reports({"a": make_report({"n": {1: "x"}}), "b": make_report({"n": {1: "x"}}, **changed)})


def test_metrics_of_either_run_are_columns() -> None:
    missing = replace(LPIPS, protocol="", unavailable="no weights")
    a = make_report({"n": {1: "x"}}, metrics=(PSNR,))
    b = make_report({"m": {1: "y"}}, metrics=(LPIPS, PSNR))
    assert join_reports({"a": replace(a, metrics=(PSNR, missing)), "b": b}).report.metrics == (PSNR, LPIPS)
    assert join_reports({"b": b, "a": a}).report.metrics == (LPIPS, PSNR)


def test_latencies_of_different_devices_are_left_out() -> None:
    a, b = make_report({"n": {1: "x"}}), make_report({"m": {1: "y"}})
    same = join_reports({"a": a, "b": b})
    assert same.devices == ()
    assert all(method.latency for method in same.report.methods)
    elsewhere = tuple(replace(method, latency=Latency(1, 1, 1, "H200")) for method in b.methods)
    found = join_reports({"a": a, "b": replace(b, methods=elsewhere)})
    assert found.devices == ("CPU", "H200")
    assert not any(method.latency for method in found.report.methods)


def test_the_baseline_is_a_label_of_the_joint_report() -> None:
    runs = {"a": make_report({"n": {1: "x"}}), "b": make_report({"n": {1: "y"}})}
    assert join_reports(runs, "n (b)").report.baseline == "n (b)"
    with pytest.raises(BenchError, match=re.escape("--baseline: no row is called 'n (c)'; did you mean 'n (")):
        join_reports(runs, "n (c)")


def save(folder: Path, report: Report) -> str:
    write_report(folder, report)
    save_report(folder, report)
    return str(folder)


@pytest.mark.slow
def test_the_command_prints_and_writes_tables(tmp_path: Path) -> None:
    old = save(tmp_path / "deblur" / "quick-1", make_report({"input": {1: "in"}, "nafnet": {1: "n8"}}))
    new = save(tmp_path / "deblur" / "quick-2", make_report({"input": {1: "in"}, "nafnet": {1: "n16"}}))
    out = tmp_path / "out"
    result = CliRunner().invoke(
        app, ["compare", old, new, old, "--baseline", "nafnet (quick-1)", "--out", str(out)], env={"COLUMNS": "160"}
    )
    assert result.exit_code == 0, result.output
    assert "nafnet (quick-1) (base)" in result.output
    assert "nafnet (quick-2)" in result.output
    assert {path.name for path in out.iterdir()} == {
        f"{name}.{ending}" for name in ("table", "differences") for ending in ("md", "csv", "tex")
    }


def test_the_command_refuses_with_exit_code_2(tmp_path: Path) -> None:
    old = save(tmp_path / "deblur" / "quick-1", make_report({"n": {1: "x"}}))
    new = save(tmp_path / "denoise" / "quick-1", make_report({"n": {1: "y"}}, identity={**IDENTITY, "task": "denoise"}))
    result = CliRunner().invoke(app, ["compare", old, new])
    assert result.exit_code == 2
    assert "task: 'deblur' in deblur/quick-1, 'denoise' in denoise/quick-1" in " ".join(result.output.split())
    missing = CliRunner().invoke(app, ["compare", str(tmp_path / "none")])
    assert missing.exit_code == 2
    assert "report.json" in missing.output
