"""The files of a report: which there are, equal bytes for equal data, and what survives a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from bench.errors import StoreError
from bench.report.figures import PAGE
from bench.report.model import COLUMNS, MethodInfo, MetricInfo, Pictures, Report
from bench.report.write import write_figures, write_report

METRICS = (MetricInfo("psnr", "PSNR", "up", 2, "p"), MetricInfo("swd", "SWD", "down", 3, "s"))


def make_report(figures: bool = True) -> Report:
    rng = np.random.default_rng(0)
    methods = (MethodInfo("NAFNet", "regression"), MethodInfo("GFP-GAN", "generative"))
    rows = []
    for method in methods:
        for seed in (1, 2):
            values = rng.normal(25, 2, size=6)
            rows += [("r", "test", method.label, None, seed, f"i{n}", "psnr", v, "k") for n, v in enumerate(values)]
            rows.append(("r", "test", method.label, None, seed, "", "swd", float(rng.random()), "k"))
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    if not figures:
        return Report("deblur", frame, METRICS, methods)

    def image(_: str) -> np.ndarray:
        return np.random.default_rng(7).integers(0, 256, (24, 24, 3), dtype=np.uint8)

    pictures = Pictures(("i0",), image, image, {"NAFNet": image, "GFP-GAN": image})
    logs = [("j", "NAFNet", step, "pixel", 1 / (step + 1)) for step in range(5)]
    curves = pd.DataFrame(logs, columns=["job", "label", "step", "name", "value"])
    return Report("deblur", frame, METRICS, methods, pictures, curves)


def read_all(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


TABLES = {"table.md", "table.csv", "table.tex", "rows.parquet"}
FIGURES = {
    f"figures/{name}.{ending}"
    for name in ("comparison", "perception_distortion", "training")
    for ending in ("png", "pdf")
}
HTML = {"report.html"}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the files of `make_report()` and, as its name says, nothing else."""
    folder = tmp_path_factory.mktemp("report") / "run"
    written = write_report(folder, make_report())
    assert {str(path.relative_to(folder)) for path in written} == TABLES | FIGURES | HTML
    return folder


def test_write_report_leaves_exactly_the_files_it_names(run: Path) -> None:
    assert set(read_all(run)) == TABLES | FIGURES | HTML


def test_figures_without_data_are_left_out(tmp_path: Path) -> None:
    report = make_report(figures=False)
    lone = replace(report, metrics=METRICS[:1], rows=report.rows[report.rows.metric == "psnr"])
    assert {path.name for path in write_report(tmp_path, lone)} == TABLES | HTML


def test_a_baseline_and_other_test_sets_add_their_tables(tmp_path: Path) -> None:
    report = make_report(figures=False)
    lone = replace(report, metrics=METRICS[:1], rows=report.rows[report.rows.metric == "psnr"])
    other = replace(lone, test="photos", rows=lone.rows.assign(test="photos"))
    written = write_report(tmp_path, replace(lone, baseline="NAFNet", ood=(other,)))
    added = {f"{name}.{ending}" for name in ("differences", "ood") for ending in ("md", "csv", "tex")}
    assert {path.name for path in written if path.parent == tmp_path} == TABLES | HTML | added
    assert "NAFNet (base)" in (tmp_path / "differences.md").read_text()
    assert "photos \N{MINUS SIGN} test" in (tmp_path / "ood.md").read_text()


@pytest.mark.slow
def test_equal_rows_in_any_order_and_process_give_equal_bytes(run: Path, tmp_path: Path) -> None:
    """String hashes differ between processes, and so would whatever is ordered or named by them."""
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace; "
        "sys.path.insert(0, sys.argv[1]); "
        "from test_report_write import make_report, write_report; report = make_report(); "
        "shuffled = replace(report, rows=report.rows.sample(frac=1, random_state=4)); "
        "write_report(Path(sys.argv[2]), shuffled); "
        "sys.exit('torch' in sys.modules or 'matplotlib.pyplot' in sys.modules)"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", code, str(Path(__file__).parent), str(tmp_path)]
    environment = {**os.environ, "PYTHONHASHSEED": "12345", "PYTHONPATH": str(root)}
    subprocess.run(command, check=True, env=environment, cwd=root)
    first, second = read_all(run), read_all(tmp_path)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def test_pdf_holds_truetype_fonts_and_no_date(run: Path) -> None:
    for path in (run / "figures").glob("*.pdf"):
        content = path.read_bytes()
        assert b"/FontFile2" in content
        assert b"/Type3" not in content
        assert b"CreationDate" not in content


def test_rows_come_back_from_parquet_in_the_order_of_the_table(tmp_path: Path) -> None:
    report = make_report(figures=False)
    write_report(tmp_path, replace(report, rows=report.rows.sample(frac=1, random_state=4)))
    back = pd.read_parquet(tmp_path / "rows.parquet")
    assert list(back.columns) == list(COLUMNS)
    assert list(back.method.unique()) == ["NAFNet", "GFP-GAN"]
    assert set(back.variant) == {""}
    keys = ["method", "seed", "image", "metric"]
    merged = back.merge(report.rows, on=keys, suffixes=("", "_given"))
    assert len(merged) == len(report.rows) == len(back)
    assert (merged.value == merged.value_given).all()


def test_a_failing_figure_costs_no_numbers(tmp_path: Path) -> None:
    report = make_report()
    assert report.pictures is not None

    def missing(image: str) -> np.ndarray:
        raise FileNotFoundError(image)

    with pytest.raises(FileNotFoundError):
        write_report(tmp_path, replace(report, pictures=replace(report.pictures, gt=missing)))
    assert set(read_all(tmp_path)) == TABLES


def test_pages_of_an_earlier_drawing_do_not_stay(tmp_path: Path) -> None:
    names = ("comparison", f"comparison{PAGE}2", "comparison_photos", f"comparison_photos{PAGE}2")
    write_figures(tmp_path, [(name, Figure(figsize=(1, 1))) for name in names], ("png", "svg"))
    write_figures(tmp_path, [("comparison", Figure(figsize=(1, 1)))], ("png",))
    assert f"comparison{PAGE}2.png" not in read_all(tmp_path)
    assert len(read_all(tmp_path)) == 7


def test_a_failed_write_keeps_the_old_file_and_names_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "table.md").write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"table\.md: cannot write the report: the disk is full: .* free in "):
        write_report(tmp_path, make_report(figures=False))
    assert read_all(tmp_path) == {"table.md": b"old"}
