"""Checkpoints from outside: read safely, fitted strictly, refused by name."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bench.adopt import adopt_weights
from bench.errors import WeightsError
from bench.execute import Workplace
from bench.job import Job
from bench.resolve import lone_row
from bench.row import Row
from bench.store import Store
from bench.train.execution import Execution
from bench.weightfile import load_weights, read_checkpoint, save_weights
from methods.base import Task
from methods.nafnet import NAFNetConfig, NAFNetMethod
from ugpnet.recipe import Budget

TASK = Task("deblur", 1, 32)
CONFIG = NAFNetConfig(width=4, enc_blk_nums=(1,), dec_blk_nums=(1,), budget=Budget(iterations=1))


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch exploded",)


def network_state() -> dict[str, torch.Tensor]:
    return NAFNetMethod(CONFIG, TASK, {}).network().state_dict()


def adopt(path: Path, tmp_path: Path) -> dict[str, dict[str, torch.Tensor]]:
    task = {"name": TASK.name, "scale": TASK.scale, "size": TASK.size}
    spec = {"path": str(path), "row": Row("n", "nafnet", CONFIG).spec(), "task": task, "stage": "network"}
    job = Job("load", "nafnet network weights", {}, spec)
    place = Workplace(Store(tmp_path / "results").open(), tmp_path, Execution(), lambda _: None)
    adopt_weights(job, place)
    return load_weights(tmp_path / "weights.safetensors")


@pytest.mark.parametrize("wrapper", ["params", "params_ema", "state_dict", None])
def test_released_layouts_are_understood(tmp_path: Path, wrapper: str | None) -> None:
    state = network_state()
    path = tmp_path / "net.pth"
    torch.save({wrapper: state} if wrapper else {f"module.{name}": value for name, value in state.items()}, path)
    adopted = adopt(path, tmp_path)["network"]
    assert all(torch.equal(adopted[name], value) for name, value in state.items())


def test_our_own_layout_is_taken_as_it_is(tmp_path: Path) -> None:
    state = network_state()
    save_weights(tmp_path / "own.safetensors", {"network": state})
    assert set(adopt(tmp_path / "own.safetensors", tmp_path)["network"]) == set(state)


@pytest.mark.slow
def test_missing_keys_are_listed(tmp_path: Path) -> None:
    state = network_state()
    del state["intro.weight"]
    torch.save(state, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"net\.pth: .*1 missing \(intro\.weight\)"):
        adopt(tmp_path / "net.pth", tmp_path)


@pytest.mark.slow
def test_another_width_is_named(tmp_path: Path) -> None:
    wide = NAFNetMethod(CONFIG.model_copy(update={"width": 8}), TASK, {}).network().state_dict()
    torch.save(wide, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"of another shape \(intro\.weight \(8, 3, 3, 3\) for \(4, 3, 3, 3\)"):
        adopt(tmp_path / "net.pth", tmp_path)


def test_another_architecture_is_refused(tmp_path: Path) -> None:
    torch.save({"conv.weight": torch.zeros(3)}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"like no method that is known here .*1 unexpected"):
        adopt(tmp_path / "net.pth", tmp_path)


def test_the_checkpoint_of_another_method_is_named(tmp_path: Path) -> None:
    torch.save(lone_row("gcfsr", {"narrow": 0.03}).build(TASK).network().state_dict(), tmp_path / "net.pth")
    with pytest.raises(WeightsError, match=r"net\.pth: it looks like gcfsr, not like nafnet"):
        adopt(tmp_path / "net.pth", tmp_path)


@pytest.mark.parametrize(("content", "message"), [
    (b"", "is empty"),
    (b"<!doctype html>" * 9, "is a web page"),
    (b"hello world" * 9, "cannot be read as a checkpoint"),
])  # fmt: skip
def test_what_is_no_checkpoint_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "net.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=rf"net\.pth: {message}"):
        read_checkpoint(tmp_path / "net.pth")


def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"a": Bomb()}, tmp_path / "net.pth")
    with pytest.raises(WeightsError, match="refused: this pickle"):
        read_checkpoint(tmp_path / "net.pth")
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("name", ["net.pth", "net.safetensors"])
def test_half_a_file_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if path.suffix == ".pth":
        torch.save(network_state(), path)
    else:
        save_file(network_state(), str(path))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(WeightsError, match=name):
        read_checkpoint(path)


def test_weights_survive_a_round_trip_bit_for_bit(tmp_path: Path) -> None:
    state = network_state()
    save_weights(tmp_path / "w.safetensors", {"a": state, "b": {"x": torch.arange(3)}})
    loaded = load_weights(tmp_path / "w.safetensors")
    assert set(loaded) == {"a", "b"}
    assert all(torch.equal(loaded["a"][name], value) for name, value in state.items())
