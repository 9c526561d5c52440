"""`bench restore`: what a run trained, and released checkpoints, on images of users."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.data.pairs import Pairs
from bench.data.sources import open_source
from bench.evaluate import to_bytes
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.plan import Plan, make_plan
from bench.resolve import lone_row
from bench.restore.stored import from_run
from bench.run import run_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution
from bench.weightfile import save_weights
from methods.base import Task
from ugpnet.config import GeneratorConfig, RegressorConfig, UGPNetConfig
from ugpnet.model import UGPNet

TINY = Path(__file__).with_name("tiny.yaml")
RNG = np.random.default_rng(0)
NARROW = {"width": 4, "enc_blk_nums": [1], "dec_blk_nums": [1]}
SETS = [part for field, value in NARROW.items() for part in ("--set", f"{field}={value}")]


def restore(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["restore", *map(str, arguments)])


def flat(result: Result) -> str:
    """The output without the terminal's line breaks."""
    return " ".join(result.output.split())


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    """A run's folder, with two seeds, and its plan."""
    document = yaml.safe_load(TINY.read_text()) | {"metrics": ["psnr"], "measure": None, "seeds": [9, 4]}
    del document["methods"]["gfpgan"]
    root = tmp_path_factory.mktemp("run")
    (root / "tiny.yaml").write_text(yaml.safe_dump(document))
    store = Store(root / "results").open()
    plan = make_plan(load_suite(root / "tiny.yaml"), store.cache)
    return run_plan(plan, store, Execution(), LocalExecutor(), Unwatched()).folder, plan


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Five images of sizes that no network likes."""
    folder = tmp_path / "photos"
    (folder / "sub").mkdir(parents=True)
    for name, shape in {
        "one.png": (1, 1, 3),
        "row.png": (1, 40, 3),
        "grey.png": (33, 35),
        "sub/alpha.png": (40, 50, 4),
    }.items():
        Image.fromarray(RNG.integers(0, 256, shape, dtype=np.uint8)).save(folder / name)
    Image.fromarray(RNG.integers(0, 256, (45, 61, 3), dtype=np.uint8)).save(folder / "photo.jpg")
    return folder


# ---- rows of a run ----


@pytest.mark.slow
def test_a_row_restores_what_its_run_restored(finished: tuple[Path, Plan]) -> None:
    folder, plan = finished
    suite = plan.suite
    source = open_source(suite.file.data.test, suite.root, None)
    lq, _ = Pairs(source, suite.file.degradation, suite.file.seed).pair(0)
    restorer = from_run(folder, "ugpnet")
    with torch.no_grad():
        restored = to_bytes(restorer.network(lq[None])[0].permute(1, 2, 0).numpy())
    store = Store(folder.parent.parent)
    scored = next(
        row.scores["test"][9] for row in plan.rows if row.row.label == "ugpnet"
    )  # the first seed that the suite lists
    made = store.path(next(job for job in plan.jobs if job.key == scored).inputs["restored"])
    assert np.array_equal(restored, np.asarray(Image.open(made / "images" / "00000.png")))


@pytest.mark.parametrize("row", ["nafnet", "ugpnet"])
def test_every_image_comes_out_as_it_was_stored(
    finished: tuple[Path, Plan], photos: Path, tmp_path: Path, row: str
) -> None:
    result = restore(photos, "--run", finished[0], "--row", row, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "5 restored" in result.output
    for name, (size, mode) in {
        "one.png": ((1, 1), "RGB"), "row.png": ((40, 1), "RGB"), "grey.png": ((35, 33), "L"),
        "sub/alpha.png": ((50, 40), "RGBA"), "photo.png": ((61, 45), "RGB"),
    }.items():  # fmt: skip
        image = Image.open(tmp_path / "out" / name)
        assert (image.size, image.mode) == (size, mode), name
    kept = np.asarray(Image.open(tmp_path / "out/sub/alpha.png"))[..., 3]
    assert np.array_equal(kept, np.asarray(Image.open(photos / "sub/alpha.png"))[..., 3])
    assert ("cut into tiles of 32 px" in flat(result)) == (row == "ugpnet")


def test_names_are_never_read_as_markup(finished: tuple[Path, Plan], tmp_path: Path) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a[bold][b].png")
    (tmp_path / "b[bold].png").touch()
    result = restore(tmp_path, "--run", finished[0], "--row", "nafnet", "-o", tmp_path / "out")
    assert "1 restored, 1 failed" in flat(result)
    assert "b[bold].png" in flat(result)


def test_what_is_there_is_kept_unless_overwritten(finished: tuple[Path, Plan], photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "photo.png").write_bytes(b"mine")
    command = (photos, "--run", finished[0], "--row", "nafnet", "-o", out)
    assert "4 restored, 1 kept" in flat(restore(*command))
    assert "0 restored, 5 kept" in flat(restore(*command))
    assert (out / "photo.png").read_bytes() == b"mine"
    assert "5 restored" in flat(restore(*command, "--overwrite"))
    assert Image.open(out / "photo.png").size == (61, 45)


def test_bad_images_are_named_and_the_rest_goes_on(finished: tuple[Path, Plan], photos: Path, tmp_path: Path) -> None:
    (photos / "empty.png").touch()
    half = (photos / "photo.jpg").read_bytes()
    (photos / "half.jpg").write_bytes(half[: len(half) // 2])
    (photos / "text.webp").write_text("no image")
    result = restore(photos, tmp_path / "gone.png", "--run", finished[0], "--row", "nafnet", "-o", tmp_path / "out")
    assert result.exit_code == 1
    for name, reason in {
        "empty.png": "it is empty",
        "half.jpg": "truncated",
        "text.webp": "no known type",
        "gone.png": "no such file",
    }.items():
        assert any(
            name in line and reason in line and line.startswith("failed") for line in result.output.splitlines()
        ), name
    assert "5 restored, 4 failed" in flat(result)
    assert len(list((tmp_path / "out").rglob("*.png"))) == 5


def test_the_images_inside_ugpnet_are_saved_beside(finished: tuple[Path, Plan], photos: Path, tmp_path: Path) -> None:
    command = (photos / "photo.jpg", "--run", finished[0], "--row", "ugpnet", "-o", tmp_path / "out")
    restore(*command)
    restored = (tmp_path / "out/photo.png").read_bytes()
    assert "1 restored" in flat(restore(*command, "--save-parts"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"photo.png", "photo.x_reg.png", "photo.x_syn.png"}
    assert (tmp_path / "out/photo.png").read_bytes() == restored
    assert Image.open(tmp_path / "out/photo.x_reg.png").size == (61, 45)
    assert len({path.read_bytes() for path in (tmp_path / "out").iterdir()}) == 3


def test_an_aligned_face_is_resized_on_demand(finished: tuple[Path, Plan], photos: Path, tmp_path: Path) -> None:
    result = restore(photos / "sub", "--run", finished[0], "--row", "ugpnet", "-o", tmp_path, "--fit", "resize")
    assert result.exit_code == 0, result.output
    image = Image.open(tmp_path / "alpha.png")
    assert (image.size, image.mode) == ((32, 26), "RGBA")


@pytest.mark.parametrize(("arguments", "message"), [
    ((), "say which row with --row; it has input, nafnet, ugpnet"),
    (("--row", "ugpne"), "no row 'ugpne'; did you mean 'ugpnet'?"),
    (("--row", "nafnet", "--save-parts"), "nafnet has no x_reg and x_syn"),
    (("--row", "nafnet", "--fit", "resize"), "takes images of any size"),
    (("--row", "nafnet", "--device", "abacus"), "--device abacus"),
    (("--row", "nafnet", "--method", "nafnet"), "say what restores"),
])  # fmt: skip
def test_mistakes_are_named(
    finished: tuple[Path, Plan], photos: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = restore(photos, "--run", finished[0], "-o", tmp_path / "out", *arguments)
    assert result.exit_code == 2
    assert message in flat(result)
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_no_run_lists_the_runs_in_it(
    finished: tuple[Path, Plan], photos: Path, tmp_path: Path
) -> None:
    result = restore(photos, "--run", finished[0].parent, "-o", tmp_path)
    assert result.exit_code == 2
    assert finished[0].name in result.output


def test_rows_that_cannot_be_used_say_why(finished: tuple[Path, Plan], photos: Path, tmp_path: Path) -> None:
    copy = tmp_path / "results"
    shutil.copytree(finished[0].parent.parent, copy)
    run = copy / finished[0].relative_to(finished[0].parent.parent)
    for path in (copy / ".store").glob("*/weights.safetensors"):
        path.write_bytes(path.read_bytes()[:-100])
    assert "gone or damaged" in flat(restore(photos, "--run", run, "--row", "nafnet", "-o", tmp_path / "out"))
    shutil.rmtree(copy / ".store")
    assert "its results are gone" in flat(restore(photos, "--run", run, "--row", "nafnet", "-o", tmp_path / "out"))
    manifest = json.loads((run / "manifest.json").read_text())
    manifest["failed"] = dict.fromkeys(manifest["jobs"], "nafnet network: the loss is not finite")
    (run / "manifest.json").write_text(json.dumps(manifest))
    assert "loss is not finite" in flat(restore(photos, "--run", run, "--row", "nafnet", "-o", tmp_path / "out"))


def test_another_version_of_a_method_is_noted(finished: tuple[Path, Plan], monkeypatch: pytest.MonkeyPatch) -> None:
    from methods.nafnet import NAFNetMethod

    assert from_run(finished[0], "nafnet").notes == ()
    monkeypatch.setattr(NAFNetMethod, "version", 99)
    assert "is at 99" in from_run(finished[0], "nafnet").notes[0]


# ---- checkpoints ----


def narrow_nafnet() -> dict[str, torch.Tensor]:
    return lone_row("nafnet", NARROW).build(Task("deblur")).network().state_dict()


@pytest.mark.parametrize("layout", ["released", "ours"])
def test_a_checkpoint_restores(photos: Path, tmp_path: Path, layout: str) -> None:
    path = tmp_path / ("net.pth" if layout == "released" else "weights.safetensors")
    if layout == "released":
        torch.save({"params": narrow_nafnet()}, path)
    else:
        save_weights(path, {"network": narrow_nafnet()})
    result = restore(photos, "--method", "nafnet", "--weights", path, *SETS, "-o", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "5 restored" in result.output


def test_an_enlargement_enlarges_alpha_too(photos: Path, tmp_path: Path) -> None:
    result = restore(photos / "sub", "--method", "bicubic", "--scale", 3, "-o", tmp_path)
    assert result.exit_code == 0, result.output
    image = Image.open(tmp_path / "alpha.png")
    assert (image.size, image.mode) == ((150, 120), "RGBA")


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch exploded",)


@pytest.mark.parametrize(("content", "message"), [
    ({"params": narrow_nafnet()}, "it looks like nafnet, but of other widths"),
    ({"a": Bomb()}, "refused: this pickle"),
    ({"conv.weight": torch.zeros(3)}, "like no method that is known here"),
    (torch.zeros(3), "holds a Tensor"),
])  # fmt: skip
def test_checkpoints_that_do_not_fit_are_named(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: object, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, tmp_path / "net.pth")
    result = restore(
        photos, "--method", "nafnet", "--weights", tmp_path / "net.pth", "--set", "width=5", "-o", tmp_path / "out"
    )
    assert result.exit_code == 2
    assert f"{tmp_path / 'net.pth'}: " in flat(result)
    assert message in flat(result)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize(("arguments", "message"), [
    (("--method", "nafnett"), "did you mean 'nafnet'?"),
    (("--method", "nafnet"), "give --weights PATH"),
    (("--method", "nafnet", "--weights", "gone.pth"), "gone.pth: no such file"),
    (("--method", "nafnet", "--weights", "n.pth", "--set", "widht=3"), "widht: unknown field; did you mean 'width'?"),
    (("--method", "nafnet", "--weights", "n.pth", "--scale", "2"), "keeps the size of its input"),
    (("--method", "stylegan2", "--weights", "n.pth"), "no restored image"),
    (("--method", "ugpnet", "--weights", "n.pth"), "--weights restoration=PATH --weights synthesis=PATH --weights fusion=PATH"),
    (("--method", "ugpnet", "--set", "fuse=images"), "configured by its files"),
    (("--weights", "n.pth"), "say what restores"),
])  # fmt: skip
def test_mistakes_about_checkpoints_are_named(
    photos: Path, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    result = restore(photos, *arguments, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert message in flat(result)


@pytest.fixture
def model() -> UGPNet:
    torch.manual_seed(0)
    regressor = RegressorConfig(
        name="nafnet", arguments={"width": 4, "middle_blk_num": 1, "enc_blk_nums": (1,), "dec_blk_nums": (1,)}
    )
    generator = GeneratorConfig(out_size=32, num_style_feat=6, num_mlp=2, narrow=1 / 32)
    return UGPNet(
        UGPNetConfig(
            regressor=regressor, generator=generator, spatial_size=8, narrow=1 / 64, channels=8, fusion_blocks=1
        )
    )


def test_a_saved_ugpnet_restores(model: UGPNet, photos: Path, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "model")
    result = restore(
        photos, "--method", "ugpnet", "--weights", tmp_path / "model", "-o", tmp_path / "out", "--save-parts"
    )
    assert result.exit_code == 0, result.output
    assert len(list((tmp_path / "out").rglob("*.x_reg.png"))) == 5


def test_the_files_of_a_ugpnet_that_are_mixed_up_are_named(model: UGPNet, photos: Path, tmp_path: Path) -> None:
    torch.save(model.restoration.state_dict(), tmp_path / "res.pth")
    torch.save({name: part.state_dict() for name, part in model.synthesis.named_children()}, tmp_path / "syn.pth")
    torch.save(model.fusion.state_dict(), tmp_path / "fus.pth")
    files = {"restoration": "res", "synthesis": "fus", "fusion": "syn"}
    given = [part for module, name in files.items() for part in ("--weights", f"{module}={tmp_path / name}.pth")]
    result = restore(photos, "--method", "ugpnet", *given, "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "fus.pth: not a synthesis module" in flat(result)
    assert "fus.pth looks like a fusion module of ugpnet" in flat(result)
    assert "res.pth looks like a restoration module of ugpnet" in flat(result)
