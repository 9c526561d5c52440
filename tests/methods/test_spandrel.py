"""Checkpoints that spandrel recognises: the network as spandrel runs it, trainable, and refusals that name the file."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from spandrel import ImageModelDescriptor, ModelLoader
from torch import Tensor, nn

from bench.parity.oracle import draw_weight, make_input
from methods.base import Loaded, Task
from methods.networks.uformer import Uformer
from methods.spandrel import SpandrelConfig, SpandrelMethod
from ugpnet.nn.nafnet import NAFNet
from ugpnet.nn.rrdbnet import RRDBNet
from ugpnet.nn.tap import Tap

DEBLUR, SR = Task("deblur", 1, 64), Task("sr", 4, 64)
NETWORKS: dict[str, tuple[Task, Any]] = {
    "nafnet": (DEBLUR, lambda: NAFNet(3, 4, 1, (1, 2), (1, 1))),
    # Squares of a multiple of 128 only: spandrel pads.
    "uformer": (DEBLUR, lambda: Uformer(128, embed_dim=8, depths=(1,) * 9, num_heads=(1, 2, 2, 2, 2, 2, 2, 2, 1))),
    # Saved under BasicSR's names, which spandrel translates to those of 2018.
    "rrdbnet": (SR, lambda: RRDBNet(3, 3, 4, num_feat=8, num_block=1, num_grow_ch=32)),
}


def save(name: str, folder: Path) -> Path:
    network: nn.Module = NETWORKS[name][1]()
    state = {
        key: draw_weight(key, value.shape, seed=0) if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    path = folder / f"{name}.pth"
    torch.save({"params_ema": state}, path)
    return path


def method(path: Path, task: Task = DEBLUR) -> SpandrelMethod:
    return SpandrelMethod(SpandrelConfig(path=path), task, {})


def spandrel_s_own(path: Path) -> ImageModelDescriptor[nn.Module]:
    described = ModelLoader().load_from_state_dict(torch.load(path, weights_only=True))
    assert isinstance(described, ImageModelDescriptor)
    return described


def adopted(made: SpandrelMethod, path: Path) -> dict[str, Tensor]:
    return dict(made.adopt("network", torch.load(path, weights_only=True))["network"])


@torch.no_grad()
@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [(16, 16), (37, 23)])
def test_restores_as_spandrel_does(name: str, size: tuple[int, int], tmp_path: Path) -> None:
    path, task = save(name, tmp_path), NETWORKS[name][0]
    made = method(path, task)
    assert made.unsupported() is None
    restorer = made.restorer({"network": {"network": adopted(made, path)}})
    lq = make_input((1, 3, *size), 1)
    restored = restorer(lq)
    assert restored.shape == (1, 3, size[0] * task.scale, size[1] * task.scale)
    torch.testing.assert_close(restored.clamp(0, 1), spandrel_s_own(path)(lq).clone())


@pytest.mark.parametrize("name", NETWORKS)
def test_the_keys_are_the_network_s_own(name: str, tmp_path: Path) -> None:
    path, task = save(name, tmp_path), NETWORKS[name][0]
    made = method(path, task)
    wanted = spandrel_s_own(path).model.state_dict()
    state = made.network().state_dict()
    assert set(state) == set(wanted) == set(adopted(made, path))
    assert all(torch.equal(state[key], value) for key, value in wanted.items())


def test_a_network_is_fresh_and_learns(tmp_path: Path) -> None:
    made = method(save("nafnet", tmp_path))
    one, other = made.network(), made.network()
    one(make_input((1, 3, 17, 16), 2)).sum().backward()
    assert all(parameter.grad is not None for parameter in one.parameters())
    assert all(parameter.grad is None for parameter in other.parameters())


@pytest.mark.parametrize(("name", "residual", "channels"), [("nafnet", True, 4), ("rrdbnet", False, 8)])
def test_ugpnet_can_tap_it(name: str, residual: bool, channels: int, tmp_path: Path) -> None:
    task = NETWORKS[name][0]
    tap = Tap(method(save(name, tmp_path), task).network(), torch.zeros(1, 3, 16, 16))
    assert (tap.residual, tap.feature_channels, tap.scale) == (residual, channels, task.scale)


def test_its_stage_is_the_file(tmp_path: Path) -> None:
    path = save("nafnet", tmp_path)
    assert method(path).stages() == (Loaded("network", path),)
    assert method(path).needs() == ("network",)
    assert method(path).notes() == ("nafnet.pth (NAFNet), trained elsewhere",)


def test_nothing_is_read_before_it_is_needed(tmp_path: Path) -> None:
    made = method(tmp_path / "not yet there.pth")
    assert made.stages()
    assert made.needs()


def test_another_scale_is_a_reason(tmp_path: Path) -> None:
    assert method(save("rrdbnet", tmp_path), DEBLUR).unsupported() == (
        "rrdbnet.pth (ESRGAN) enlarges 4 times, the task 1 times"
    )
    assert (
        method(save("nafnet", tmp_path), SR).unsupported() == "nafnet.pth (NAFNet) enlarges 1 times, the task 4 times"
    )


def test_grey_images_are_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "grey.pth"
    torch.save(RRDBNet(1, 1, 4, num_feat=8, num_block=1, num_grow_ch=32).state_dict(), path)
    assert "maps 1 channels to 1, not RGB" in str(method(path, SR).unsupported())


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, ("touch exploded",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ({"strange.weight": torch.zeros(3)}, r"spandrel recognises no network by its keys \(strange\.weight"),
        ({"params": RRDBNet(num_block=1, num_grow_ch=4).state_dict()}, "spandrel cannot build .*RDB1.conv1"),
        ([torch.zeros(3)], "holds a list where a state dict is wanted"),
        ({"a": Bomb()}, "refused: this pickle holds more than tensors"),
    ],
    ids=["unknown", "similar", "list", "code"],
)
def test_refusals_name_the_file(content: object, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "net.pth"
    torch.save(content, path)
    found = method(path).unsupported()
    assert found is not None
    assert re.search(rf"net\.pth: .*{reason}", found), found
    assert not (tmp_path / "exploded").exists()


def test_a_half_file_and_a_missing_one_are_named(tmp_path: Path) -> None:
    path = save("nafnet", tmp_path)
    path.write_bytes(path.read_bytes()[:1000])
    assert "nafnet.pth: is cut short" in str(method(path).unsupported())
    assert "gone.pth: no such file" in str(method(tmp_path / "gone.pth").unsupported())
