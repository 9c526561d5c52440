"""Memory that ends: smaller parts of a batch where that is the same step, else a reason that names what to lower."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from bench.failure import is_out_of_memory
from bench.gather import gather
from bench.train.execution import Execution
from bench.train.loop import Fitted, Progress, fit
from methods.networks.gfpgan import GFPGAN
from ugpnet.nn.hinet import HINet
from ugpnet.nn.nafnet import NAFNet
from ugpnet.nn.rrdbnet import RRDBNet
from ugpnet.nn.unet import UNet
from ugpnet.recipe import Batch, Budget, Optim
from ugpnet.regression import RegressionRecipe
from ugpnet.settings import MixUp, RegressionTraining

BUDGET = Budget(iterations=6, batch_size=5)
CPU = Execution(device="cpu", checkpoint_every=1)
TRAINING = RegressionTraining(optim=Optim(lr=1e-3, eps=1e-3), average=0.9, clip_norm=1.0)
"""With Adam's usual epsilon, a bias before a normalisation, whose gradient is rounding alone, would move by it."""


NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "nafnet": lambda: NAFNet(3, 4, 1, (1,), (1,)),
    "hinet": lambda: HINet(wf=4, depth=2, hin_position_left=0, hin_position_right=1),
    "rrdbnet": lambda: RRDBNet(3, 3, 1, 4, 1, 4),
    "unet": lambda: UNet(4, 2),
}


class Noise:
    def batch(self, step: int) -> Batch:
        generator = torch.Generator().manual_seed(step)
        gt = torch.rand(5, 3, 16, 16, generator=generator)
        return Batch((gt + 0.1).clamp(0, 1), gt, generator)


def allow(network: nn.Module, images: int) -> nn.Module:
    """The network, for which memory ends beyond that many images."""

    def refuse(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if len(inputs[0]) > images:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_pre_hook(refuse)
    return network


def train(network: nn.Module, folder: Path, training: RegressionTraining = TRAINING, on_step: Any = None) -> Fitted:
    return fit(
        RegressionRecipe(network, training), Noise(), BUDGET, folder, seed=1, execution=CPU, on_step=on_step
    )  # fmt: skip


def build(name: str) -> nn.Module:
    torch.manual_seed(0)
    return NETWORKS[name]()


def assert_close(one: Fitted, other: Fitted, rounding: float) -> None:
    for key, tensor in one.weights["network"].items():
        torch.testing.assert_close(tensor, other.weights["network"][key], rtol=rounding, atol=rounding)
    assert [row[:2] for row in one.log] == [row[:2] for row in other.log]
    np.testing.assert_allclose([row.value for row in one.log], [row.value for row in other.log], rtol=1e-4)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("room", "parts"), [(5, 1), (2, 4)])
def test_a_batch_in_parts_is_the_same_step_but_for_rounding(name: str, room: int, parts: int, tmp_path: Path) -> None:
    whole = train(build(name), tmp_path / "whole")
    fitted = train(allow(build(name), room), tmp_path / "parts")
    assert fitted.parts == parts
    assert_close(fitted, whole, rounding=0 if parts == 1 else 2e-5)


@pytest.mark.slow
def test_a_resumed_training_keeps_its_parts_and_its_bits(tmp_path: Path) -> None:
    def stop(now: Progress) -> None:
        if now.step == 3:
            raise KeyboardInterrupt

    unbroken = train(allow(build("nafnet"), 2), tmp_path / "unbroken")
    with pytest.raises(KeyboardInterrupt):
        train(allow(build("nafnet"), 2), tmp_path / "broken", on_step=stop)
    resumed = train(build("nafnet"), tmp_path / "broken")  # now with room for all
    assert resumed.parts == 4
    assert_close(resumed, unbroken, rounding=0)


@pytest.mark.slow
def test_what_a_single_image_takes_is_not_had_by_parts(tmp_path: Path) -> None:
    with pytest.raises(torch.OutOfMemoryError):
        train(allow(build("nafnet"), 0), tmp_path)


@pytest.mark.parametrize(
    "training", [TRAINING.model_copy(update={"mixup": MixUp()}), TRAINING], ids=["mixup", "network"]
)
@pytest.mark.parametrize("layer", [nn.BatchNorm2d(3), nn.Dropout(0.1)], ids=["batchnorm", "dropout"])
def test_images_that_see_each_other_are_not_parted(
    training: RegressionTraining, layer: nn.Module, tmp_path: Path
) -> None:
    """Parts would have other statistics, or draw otherwise: another step, which would be called by the same name."""
    layers = () if training.mixup else (layer,)
    network = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), *layers)
    assert not RegressionRecipe(network, training).separable
    with pytest.raises(torch.OutOfMemoryError):
        train(allow(network, 2), tmp_path, training)


def ask_python() -> None:
    bytearray(1 << 62)


def ask_numpy() -> None:
    np.empty(1 << 60, np.uint8)


def ask_torch() -> None:
    torch.empty(1 << 60, dtype=torch.uint8)


@pytest.mark.parametrize("ask", [ask_python, ask_numpy, ask_torch])
def test_errors_of_memory_are_known(ask: Callable[[], None]) -> None:
    with pytest.raises((MemoryError, RuntimeError)) as error:
        ask()
    assert is_out_of_memory(error.value)


@pytest.fixture
def scarce(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Ends the memory of a class of networks, while they train, beyond a number of images in a method that takes them."""

    def end(network: type[nn.Module], images: int, method: str = "forward") -> None:
        call = getattr(network, method)

        def forward(self: nn.Module, x: Tensor, *more: Any) -> Any:
            if self.training and len(x) > images:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has none")
            return call(self, x, *more)

        monkeypatch.setattr(network, method, forward)

    return end


@pytest.mark.slow
def test_a_row_trained_in_parts_says_so(work: Any, scarce: Callable[..., None]) -> None:
    scarce(NAFNet, 1)
    outcome = work.do()
    assert outcome.failed == {}
    notes = {method.label: " ".join(method.notes) for method in gather(work.plan, work.store, outcome, "run").methods}
    assert "nafnet network: batches in 2 parts for want of memory" in notes["nafnet"]
    assert "parts" not in notes["input"] + notes["gfpgan"]


@pytest.mark.slow
def test_memory_that_no_parts_can_do_with_is_named_with_the_fields_to_lower(
    work: Any, scarce: Callable[..., None], monkeypatch: pytest.MonkeyPatch, clean_bits: Mapping[str, bytes]
) -> None:
    """That row fails, others go on, and where there is room the same command does the rest."""
    scarce(NAFNet, 0)
    scarce(GFPGAN, 1, "restore")
    failed = work.reasons(work.do())
    assert set(failed) == {f"nafnet {stage}" for stage in ("network", "restore", "score")} | {
        f"gfpgan {stage}" for stage in ("restoration", "restore", "score")
    }
    assert failed["nafnet network"] == (
        "nafnet network: out of memory at batches of 2 images of 24 px; lower nafnet.budget.batch_size or "
        "nafnet.budget.patch, for other weights, or run it where there is more memory"
    )
    assert "lower gfpgan.budget.batch_size" in failed["gfpgan restoration"]
    monkeypatch.undo()
    assert work.do().failed == {}
    assert work.bits() == clean_bits


@pytest.mark.slow
def test_memory_that_ends_while_an_image_is_restored(work: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in tiles: what a network sees of an image is part of its result."""
    call = NAFNet.forward

    def forward(self: NAFNet, x: Tensor) -> Tensor:
        if not self.training:
            raise RuntimeError(
                "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried to"
            )
        return call(self, x)

    monkeypatch.setattr(NAFNet, "forward", forward)
    monkeypatch.setattr("bench.train.stage.mean_psnr", lambda *_, **__: 20.0)  # validation restores images, too
    reason = work.reasons(work.do())["nafnet restore"]
    assert "nafnet restore: out of memory (" in reason
    assert "data.test.size" in reason
