"""Whole models on disk: our folders, the hub, and the three files of a released UGPNet."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.config import Preset, RegressorConfig, UGPNetConfig, preset
from ugpnet.model import UGPNet, build_generator, build_regressor
from ugpnet.nn.tap import Tap
from ugpnet.pretrained import identify
from ugpnet.restoration import restoration_module

LQ = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
TINY_REGRESSORS = {
    "nafnet_denoise": RegressorConfig(
        name="nafnet", arguments={"width": 4, "middle_blk_num": 1, "enc_blk_nums": (1,) * 4, "dec_blk_nums": (1,) * 4}
    ),
    "hinet_denoise": RegressorConfig(name="hinet", arguments={"wf": 4, "depth": 2}),
    "rrdb_x8": RegressorConfig(
        name="rrdbnet", arguments={"scale": 8, "num_feat": 4, "num_block": 1, "num_grow_ch": 2}
    ),
}  # fmt: skip


@pytest.fixture
def model(tiny_config: UGPNetConfig) -> UGPNet:
    """Weights and statistics unlike those of any fresh model."""
    made = UGPNet(tiny_config).eval()
    state = {name: value + 1 if value.ndim < 2 else value for name, value in made.state_dict().items()}
    made.load_state_dict(state)
    return made


def assert_same(ours: nn.Module, theirs: nn.Module) -> None:
    wanted, found = ours.state_dict(), theirs.state_dict()
    assert list(wanted) == list(found)
    assert all(torch.equal(value, found[name]) for name, value in wanted.items())


# ---- our own folders ----


@torch.no_grad()
def test_a_saved_model_comes_back_bit_for_bit(model: UGPNet, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "new" / "folder")
    again = UGPNet.from_pretrained(tmp_path / "new" / "folder")
    assert isinstance(again, UGPNet)
    assert not again.training
    assert_same(model, again)
    assert torch.equal(model(LQ), again(LQ))
    assert again.config.model_dump_json() == model.config.model_dump_json()


def test_parts_of_your_own_are_handed_over_again(tiny_config: UGPNetConfig, tmp_path: Path) -> None:
    """The configuration describes neither of them."""
    undescribed = UGPNetConfig(**tiny_config.model_dump(exclude={"regressor", "generator"}))

    def parts() -> dict[str, Any]:
        regressor = Tap(nn.Sequential(nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 3, 3, padding=1)), LQ)
        return {"regressor": regressor, "generator": build_generator(tiny_config.generator)}

    model = UGPNet(undescribed, **parts())
    model.save_pretrained(tmp_path)
    assert_same(model, UGPNet.from_pretrained(tmp_path, **parts()))


Change = Callable[[dict[str, Tensor]], object]


@pytest.mark.parametrize(("change", "message"), [
    (lambda state: state.pop("fusion.last.bias"), r"1 missing \(fusion\.last\.bias\)"),
    (lambda state: state.update(stray=torch.zeros(1)), r"1 unexpected \(stray\)"),
    (lambda state: state.update({"fusion.last.bias": torch.zeros(4)}),
     r"1 of another shape \(fusion\.last\.bias \(4,\) for \(3,\)\)"),
    (lambda state: [state.pop(name) for name in list(state) if name.startswith("fusion.body")],
     r"8 missing \((fusion\.body[^,]+, ){5}\.\.\.\)"),
])  # fmt: skip
def test_weights_that_do_not_fit_are_named(model: UGPNet, tmp_path: Path, change: Change, message: str) -> None:
    model.save_pretrained(tmp_path)
    file = tmp_path / "model.safetensors"
    state = load_file(str(file))
    change(state)
    save_file(state, str(file))
    with pytest.raises(CheckpointMismatch, match=rf"model\.safetensors: this checkpoint does not fit: {message}"):
        UGPNet.from_pretrained(tmp_path)


def test_a_name_that_is_no_folder_is_a_repository_on_the_hub(
    model: UGPNet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model.save_pretrained(tmp_path)
    asked: list[tuple[str, list[str]]] = []

    def snapshot_download(repository: str, allow_patterns: list[str]) -> str:
        asked.append((repository, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    assert_same(model, UGPNet.from_pretrained("somebody/ugpnet-tiny"))
    assert asked == [("somebody/ugpnet-tiny", ["config.json", "model.safetensors"])]


# ---- released files ----


@pytest.mark.parametrize("name", get_args(Preset))
def test_every_released_restoration_file_is_recognised(name: Preset) -> None:
    config = preset(name)
    assert (config.generator.out_size, preset(name, church=True).generator.out_size) == (512, 256)
    with torch.device("meta"):
        module = restoration_module(build_regressor(config.regressor), config.structure_encoder, config.channels)
    assert identify(module.state_dict(), "file") == name


Files = tuple[Path, Path, Path]


def write_released(model: UGPNet, folder: Path) -> Files:
    """Bare state dicts (RRDBNet's under `params_ema`), the synthesis file with one per part."""
    files = (folder / "resmodule_best.pth", folder / "synmodule_40000.pth", folder / "fusmodule_best.pth")
    restoration = model.restoration.state_dict()
    torch.save({"params_ema": restoration} if "conv_first.weight" in restoration else restoration, files[0])
    parts = ("generator", "fencoder", "wmodule")
    torch.save({part: model.synthesis.get_submodule(part).state_dict() for part in parts}, files[1])
    torch.save(model.fusion.state_dict(), files[2])
    return files


class TinyPresets:
    """In place of `preset`: the same variants with a few channels. `asked` is what was asked for."""

    def __init__(self, config: UGPNetConfig) -> None:
        self.config = config
        self.asked: list[tuple[Preset, bool]] = []

    def __call__(self, name: Preset, church: bool = False) -> UGPNetConfig:
        self.asked.append((name, church))
        # As in the released files, the encoder's sixth block tells faces from churches.
        sizes = {"out_size": 32} if church else {"out_size": 256, "narrow": 1 / 128}
        generator = self.config.generator.model_copy(update=sizes)
        return self.config.model_copy(update={"regressor": TINY_REGRESSORS[name], "generator": generator})


@pytest.fixture
def presets(tiny_config: UGPNetConfig, monkeypatch: pytest.MonkeyPatch) -> TinyPresets:
    tiny = TinyPresets(tiny_config)
    monkeypatch.setattr("ugpnet.pretrained.preset", tiny)
    return tiny


@pytest.mark.parametrize("name", list(TINY_REGRESSORS))
def test_released_files_make_a_model(name: Preset, presets: TinyPresets, tmp_path: Path) -> None:
    released = UGPNet(presets(name, church=True))
    loaded = UGPNet.load_official(*write_released(released, tmp_path))
    assert presets.asked[1:] == [(name, True)]
    assert not loaded.training
    assert_same(released, loaded)


def test_faces_are_told_from_churches(presets: TinyPresets, tmp_path: Path) -> None:
    released = UGPNet(presets("rrdb_x8", church=False))
    assert_same(released, UGPNet.load_official(*map(str, write_released(released, tmp_path))))
    assert presets.asked[1:] == [("rrdb_x8", False)]


@pytest.fixture
def released(presets: TinyPresets, tmp_path: Path) -> Files:
    return write_released(UGPNet(presets("nafnet_denoise", church=True)), tmp_path)


@pytest.mark.parametrize(("index", "content", "message"), [
    (0, nn.Conv2d(3, 3, 1).state_dict(), r"resmodule_best\.pth: not a restoration module of UGPNet; .* weight, bias"),
    (0, {"epoch": 3}, r"resmodule_best\.pth: holds no tensors; its keys are epoch"),
    (0, [1], r"resmodule_best\.pth: holds a list where a state dict is wanted"),
    (1, {"generator": {}, "wmodule": {}}, r"synmodule_40000\.pth: not a synthesis module of UGPNet, .* fencoder"),
    (2, {"epoch": 3}, r"fusmodule_best\.pth: holds no tensors"),
    (2, nn.Conv2d(3, 3, 1).state_dict(), r"fusmodule_best\.pth: .* missing \(.*2 unexpected \(weight, bias\)"),
])  # fmt: skip
def test_a_file_of_another_architecture_is_named(released: Files, index: int, content: object, message: str) -> None:
    torch.save(content, released[index])
    with pytest.raises(CheckpointMismatch, match=message):
        UGPNet.load_official(*released)


def test_a_restoration_module_of_other_widths_is_named(released: Files, tiny_config: UGPNetConfig) -> None:
    wider = RegressorConfig(name="nafnet", arguments={**TINY_REGRESSORS["nafnet_denoise"].arguments, "width": 6})
    torch.save(UGPNet(tiny_config.model_copy(update={"regressor": wider})).restoration.state_dict(), released[0])
    with pytest.raises(
        CheckpointMismatch, match=r"resmodule_best\.pth: .*of another shape \(regression\.intro\.weight"
    ):
        UGPNet.load_official(*released)


def test_a_file_with_code_is_refused_and_not_run(released: Files, tmp_path: Path) -> None:
    trace = tmp_path / "trace"

    class Payload:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.system, (f"touch {trace}",)

    torch.save({"weight": torch.zeros(1), "payload": Payload()}, released[0])
    with pytest.raises(CheckpointMismatch, match=r"resmodule_best\.pth: refused: .* could run code \(posix\.system\)"):
        UGPNet.load_official(*released)
    assert not trace.exists()
