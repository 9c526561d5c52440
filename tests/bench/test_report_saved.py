"""A run with a second test set and an ablation, read back from disk: the same report, or an error that names what is wrong."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from typer.testing import CliRunner

from bench.cli import app
from bench.errors import BenchError, StoreError, SuiteError
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.plan import make_plan
from bench.report.saved import load_report
from bench.run import Run, run_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution

pytestmark = pytest.mark.slow

TINY = Path(__file__).with_name("tiny.yaml")
CHANGES = (
    "data.ood={squares: {source: portraits, split: val, count: 2, size: 32}}",
    "ablation={base: ugpnet, variants: {images: {fuse: images}}}",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Run:
    store = Store(tmp_path_factory.mktemp("results")).open()
    plan = make_plan(load_suite(TINY, assignments=CHANGES), store.cache)
    return run_plan(plan, store, Execution(), LocalExecutor(), Unwatched())


@pytest.fixture
def copy(made: Run, tmp_path: Path) -> Path:
    """The run in a copy of its results folder, to be damaged."""
    results = tmp_path / "results"
    shutil.copytree(made.folder.parents[1], results)
    return results / made.folder.parent.name / made.folder.name


@pytest.mark.slow
def test_what_is_read_is_what_was_reported(made: Run) -> None:
    back = load_report(made.folder)
    for ours, theirs in zip((back, *back.ood), (made.report, *made.report.ood), strict=True):
        assert ours.test == theirs.test
        assert (ours.metrics, ours.methods, ours.identity) == (theirs.metrics, theirs.methods, theirs.identity)
        key = ["method", "seed", "metric", "image"]
        pd.testing.assert_frame_equal(
            ours.rows.sort_values(key).reset_index(drop=True), theirs.rows.sort_values(key).reset_index(drop=True),
            check_dtype=False,
        )  # fmt: skip
        assert ours.pictures is not None
        assert theirs.pictures is not None
        for name in ours.pictures.ids:
            assert (ours.pictures.gt(name) == theirs.pictures.gt(name)).all()
            assert (
                ours.pictures.parts["ugpnet"]["x_syn"](name) == theirs.pictures.parts["ugpnet"]["x_syn"](name)
            ).all()
    assert back.provenance == made.report.provenance


def test_the_second_test_set_is_measured_on_its_own(made: Run) -> None:
    [squares] = made.report.ood
    assert squares.test == "squares"
    assert squares.pictures is not None
    assert squares.pictures.ids == ("val-000000", "val-000001")
    rows = pd.read_parquet(made.folder / "rows.parquet")
    assert rows.groupby("test").image.nunique().to_dict() == {"squares": 3, "test": 4}  # images, and "" for the set
    assert not set(rows[rows.test == "squares"].key) & set(rows[rows.test == "test"].key)


def test_variants_know_what_they_change(made: Run) -> None:
    assert [(method.label, method.base, method.variant) for method in made.report.methods] == [
        ("input", None, None),
        ("nafnet", None, None),
        ("gfpgan", None, None),
        ("ugpnet", None, None),
        ("ugpnet: images", "ugpnet", "images"),
    ]


def test_parts_are_the_images_inside(made: Run) -> None:
    """x_reg of an untrained step away from its regressor is still an image of the same size as x_hat."""
    pictures = made.report.pictures
    assert pictures is not None
    assert set(pictures.parts) == {"ugpnet", "ugpnet: images"}
    assert pictures.parts["ugpnet"]["x_reg"]("test-000000").shape == pictures.gt("test-000000").shape


@pytest.mark.slow
def test_rebuilding_gives_the_same_files(copy: Path) -> None:
    files = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    for path in files:
        if path.name not in ("report.json", "rows.parquet", "curves.parquet"):
            path.unlink()
    result = CliRunner().invoke(app, ["report", str(copy)])
    assert result.exit_code == 0, result.output
    for path, content in files.items():
        if path.name != "manifest.json":
            assert path.read_bytes() == content, path.name


def test_a_missing_image_is_named(copy: Path) -> None:
    report = load_report(copy)
    assert report.pictures is not None
    loader = report.pictures.restored["nafnet"]
    victim = next((copy.parents[1] / ".store").glob(f"{loader.folder}/00001.png"))  # type: ignore[attr-defined]
    victim.unlink()
    remedy = r"`bench store check --repair \w+`, then run the suite again"
    with pytest.raises(StoreError, match=rf"nafnet: .*'test-000001'.*00001\.png, is missing; {remedy}"):
        loader("test-000001")


@pytest.mark.slow
def test_a_report_without_an_image_is_written_and_says_so(copy: Path) -> None:
    report = load_report(copy)
    assert report.pictures is not None
    report.pictures.restored["nafnet"].path("test-000001").unlink()  # type: ignore[attr-defined]
    result = CliRunner().invoke(app, ["report", str(copy)])
    assert result.exit_code == 1
    assert "missing: nafnet: image 'test-000001' is missing (" in result.output
    assert "nafnet" in (copy / "table.md").read_text()
    assert "test-000001" in (copy / "report.html").read_text()


def test_a_run_of_another_version_is_refused(copy: Path) -> None:
    saved = json.loads((copy / "report.json").read_text())
    (copy / "report.json").write_text(json.dumps(saved | {"format": 99}))
    with pytest.raises(BenchError, match=r"format 99, of another version"):
        load_report(copy)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "not finished, or made by an older version"),
        ("{", "damaged"),
        ('{"format": 1, "name": "x"}', "damaged at tests"),
    ],
)
def test_a_damaged_report_is_refused(copy: Path, content: str | None, words: str) -> None:
    (copy / "report.json").unlink() if content is None else (copy / "report.json").write_text(content)
    result = CliRunner().invoke(app, ["report", str(copy)])
    assert result.exit_code == 2
    assert words in result.output


def test_any_other_folder_is_no_run(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="not a run"):
        load_report(tmp_path)


def test_an_unknown_figure_image_is_named() -> None:
    suite = load_suite(TINY, assignments=["figures={images: [test-00000]}"])
    with pytest.raises(SuiteError, match=r"figures\.images: no test image 'test-00000'; did you mean 'test-00000\d'"):
        make_plan(suite)


def test_a_test_set_needs_a_name_of_its_own() -> None:
    with pytest.raises(SuiteError, match=r"data\.ood: .*'train' is taken"):
        load_suite(TINY, assignments=["data.ood={train: {source: photos}}"])
