"""BasicSR's architectures: imported despite torchvision, built by name and arguments, trained on pixels."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from typing import Any

import pytest
import torch

import methods.basicsr
from methods.base import Task
from methods.basicsr import BasicSRConfig, BasicSRMethod
from methods.networks.basicsr_registry import REMOVED, architectures
from ugpnet.recipe import Budget

DEBLUR, SR = Task("deblur", 1, 16), Task("sr", 4, 32)


def method(arch: str, task: Task = SR, **arguments: Any) -> BasicSRMethod:
    config = BasicSRConfig(arch=arch, arguments=arguments, budget=Budget(iterations=1))
    return BasicSRMethod(config, task, {})


@pytest.mark.skipif(find_spec("torchvision.transforms.functional_tensor") is not None, reason="an old torchvision")
def test_the_import_works_and_leaves_no_stand_in(fake_basicsr: None) -> None:
    with pytest.raises(ModuleNotFoundError, match="functional_tensor"):
        import basicsr  # noqa: F401
    assert set(architectures()) == {"EDSR", "Plain"}
    assert REMOVED not in sys.modules
    with pytest.raises(ModuleNotFoundError):
        __import__(REMOVED)


@pytest.mark.skipif(find_spec("basicsr") is None, reason="pip install 'ugpnet-bench[basicsr]'")
def test_the_released_package_works() -> None:
    small = {"img_size": 16, "window_size": 8, "embed_dim": 12, "depths": [1], "num_heads": [2], "upsampler": ""}
    made = method("SwinIR", DEBLUR, **small)
    assert made.unsupported() is None
    assert made.network()(torch.zeros(1, 3, 16, 16)).shape == (1, 3, 16, 16)
    assert REMOVED not in sys.modules


def test_an_old_torchvision_keeps_its_own(fake_basicsr: None, monkeypatch: pytest.MonkeyPatch) -> None:
    module = type(sys)(REMOVED)
    module.rgb_to_grayscale = print  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, REMOVED, module)
    architectures()
    assert sys.modules[REMOVED] is module
    assert sys.modules["basicsr.data"].rgb_to_grayscale is print


def test_an_architecture_is_built_by_name_and_arguments(fake_basicsr: None) -> None:
    network = method("EDSR", num_feat=5, num_block=2).network()
    assert len(network.body) == 2  # type: ignore[arg-type]
    assert network.last.in_channels == 5
    assert network(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 32, 32)
    assert method("EDSR", DEBLUR, num_feat=5).network().upscale == 1
    assert method("Plain", DEBLUR).network()(torch.zeros(1, 3, 8, 8)).shape == (1, 3, 8, 8)


def test_twenty_steps_follow_the_pinned_curve(fake_basicsr: None, train, curves, pinned) -> None:
    torch.manual_seed(0)
    recipe = method("EDSR", num_feat=4, num_block=2).stages()[0].recipe({})
    assert recipe.average == {"network": 0.999}
    found = curves(train(recipe, SR.size, SR.scale))
    assert found == {"network/l1": pytest.approx(pinned("basicsr", "EDSR", found)["network/l1"], rel=0.02)}


def test_the_stage_reads_name_and_arguments(fake_basicsr: None) -> None:
    stage = method("EDSR", num_feat=4).stages()[0]
    assert stage.config.model_dump()["network"] == {"arch": "EDSR", "arguments": {"num_feat": 4}}


@pytest.mark.parametrize(
    ("made", "reason"),
    [
        (method("EDSR", num_feat=4), None),
        (method("EDRS", num_feat=4), "arch: BasicSR registers no 'EDRS'; did you mean 'EDSR'?"),
        (method("EDSR"), "arguments: EDSR: missing a required argument: 'num_feat'"),
        (method("EDSR", num_feat=4, depth=2), "arguments: EDSR: got an unexpected keyword argument 'depth'"),
        (method("EDSR", num_feat=4, upscale=2), "arguments: upscale is 2, the task enlarges 4 times"),
    ],
)
def test_what_cannot_be_built_is_said(fake_basicsr: None, made: BasicSRMethod, reason: str | None) -> None:
    assert made.unsupported() == reason


def test_a_missing_package_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods.basicsr, "find_spec", lambda _: None)
    assert "pip install 'ugpnet-bench[basicsr]'" in str(method("EDSR").unsupported())


def test_a_broken_package_says_so(fake_basicsr: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "basicsr.archs", None)
    assert "BasicSR cannot be imported: " in str(method("EDSR").unsupported())
