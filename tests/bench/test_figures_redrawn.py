"""`bench figures`: other images, crops and rows of a finished run, and what is said about those that it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.errors import BenchError
from bench.figures import Choice, Crop, choose, read_crop, read_formats, redraw
from bench.report.model import COLUMNS, Box, MethodInfo, MetricInfo, Report
from bench.report.saved import SavedPictures, load_report, open_pictures, save_report
from bench.store import Store

SIZE = 24
PSNR = MetricInfo("psnr", "PSNR", "up", 2, "p")
ROWS = (
    MethodInfo("input", "input"),
    MethodInfo("nafnet", "regression"),
    MethodInfo("gfpgan", "generative"),
    MethodInfo("ugpnet", "hybrid"),
    MethodInfo("uformer", "regression", reason="out of memory"),
)


def save_images(store: Path, folder: str, count: int) -> str:
    rng = np.random.default_rng(len(folder))
    (store / folder).mkdir(parents=True)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)).save(store / folder / f"{i:05d}.png")
    return folder


def make_part(store: Path, test: str, ids: tuple[str, ...]) -> Report:
    rows = [("r", test, row.label, "", 1, image, "psnr", 20.0, "k") for row in ROWS[:4] for image in ids]
    folders = {row.label: save_images(store, f"{test}-{row.label}/images", len(ids)) for row in ROWS[1:4]}
    parts = {
        "ugpnet": {name: save_images(store, f"{test}-ugpnet/parts/{name}", len(ids)) for name in ("x_reg", "x_syn")}
    }
    lq, gt = (save_images(store, f"{test}-pairs/{name}", len(ids)) for name in ("lq", "gt"))
    pictures = open_pictures(store, SavedPictures(ids, ids[:1], lq, gt, folders, parts))
    return Report("deblur", pd.DataFrame(rows, columns=list(COLUMNS)), (PSNR,), ROWS, pictures, test=test)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run of two test sets, without the work."""
    store = Store(tmp_path / "results").open().folder
    main = make_part(store, "test", tuple(f"face-{i}" for i in range(4)))
    report = replace(main, ood=(make_part(store, "photos", ("cat", "rocket")),))
    folder = tmp_path / "results" / "deblur" / "quick-1"
    folder.mkdir(parents=True)
    pd.concat([main.rows, report.ood[0].rows]).to_parquet(folder / "rows.parquet", index=False)
    save_report(folder, report)
    return folder


def names(paths: Iterator[Path] | list[Path]) -> list[str]:
    return sorted(path.name for path in paths)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["figures", *map(str, arguments)])


@pytest.mark.slow
def test_chosen_images_are_drawn_in_every_test_set_that_has_them(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    result = invoke(run, "--images", "face-2", "rocket", "--out", out, "--formats", "png")
    assert result.exit_code == 0, result.output
    expected = ["comparison", "comparison_photos", "modules", "modules_photos"]
    assert names(list(out.iterdir())) == [f"{name}.png" for name in expected]
    assert not (run / "figures").exists()
    assert all(str(path) in result.output.replace("\n", "") for path in out.iterdir())


def test_a_run_keeps_its_figures_with_it(run: Path) -> None:
    written = redraw(run, Choice(images=("cat",), rows=("nafnet",)), ("svg",))
    assert written == [run / "figures" / "comparison_photos.svg"]


def test_a_choice_narrows_images_crops_and_rows(run: Path) -> None:
    crops = (Crop(Box(0, 0, 8, 8)), Crop(Box(4, 4, 6, 6), "face-3"))
    (part,) = choose(load_report(run), Choice(("face-3", "face-1"), crops, ("ugpnet", "nafnet")))
    assert part.pictures is not None
    assert part.pictures.images == ("face-3", "face-1")
    assert part.pictures.boxes == {"face-3": (crops[0].box, crops[1].box), "face-1": (crops[0].box,)}
    assert [method.label for method in part.methods] == ["input", "ugpnet", "nafnet"]


def test_nothing_chosen_is_the_run_as_it_was(run: Path) -> None:
    report = load_report(run)
    parts = choose(report, Choice())
    assert [part.test for part in parts] == ["test", "photos"]
    assert [part.pictures and part.pictures.images for part in parts] == [("face-0",), ("cat",)]
    assert parts[0].methods == report.methods


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--images", "face-9"], "no image 'face-9' in this run's test sets; did you mean 'face-"),
        (["--images", "xyz"], "known: face-0, face-1, face-2, face-3, cat, rocket"),
        (["--rows", "nafnt"], "no row 'nafnt'; did you mean 'nafnet'?"),
        (["--rows", "uformer"], "row 'uformer' has no images: out of memory"),
        (["--crop", "20,4,8,8"], "image 'face-0', which is 24 x 24 pixels; 16,4,8,8 would fit"),
        (["--crop", "0,0,80,8"], "reaches out of image 'face-0', which is 24 x 24 pixels"),
        (["--crop", "1,2,3"], "--crop 1,2,3: write [IMAGE:]x,y,width,height"),
        (["--crop", "cat:0,0,4,4", "--images", "face-0"], "--crop cat:0,0,4,4: no image that is shown"),
        (["--crop", "0,0,4,4"] * 4, "4 crops for image 'face-0'; at most 3"),
        (["face-1"], "figures: unexpected 'face-1'; images follow --images"),
        (["--formats", "png,jpg"], "no format 'jpg'; known: png, pdf, svg"),
    ],
)
def test_mistakes_are_named(run: Path, arguments: list[str], said: str) -> None:
    result = invoke(run, *arguments)
    assert result.exit_code == 2
    assert said in result.output.replace("\n", " ").replace("  ", " ")
    assert not (run / "figures").exists()


def test_a_missing_file_is_named_with_row_and_image(run: Path) -> None:
    gone = run.parents[1] / ".store" / "test-ugpnet" / "parts" / "x_syn" / "00002.png"
    gone.unlink()
    with pytest.raises(BenchError, match=r"ugpnet x_syn: the file of image 'face-2', .*00002\.png, is missing"):
        redraw(run, Choice(images=("face-2",)), ("png",))


def test_crops_and_formats_are_read() -> None:
    assert read_crop("1,2,3,4") == Crop(Box(1, 2, 3, 4))
    assert read_crop("a:b.png:1,2,3,4") == Crop(Box(1, 2, 3, 4), "a:b.png")
    assert read_formats("PDF, png,pdf") == ("pdf", "png")
    for wrong in ("1,2,3,0", "-1,2,3,4", "1,2,3,4,5", "a,b,c,d", ""):
        with pytest.raises(BenchError, match="x,y,width,height"):
            read_crop(wrong)
