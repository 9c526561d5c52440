"""The methods that are one network and a pixel loss: published sizes and recipes, twenty steps, any image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

import methods
from bench.complexity import count_parameters
from bench.parity.oracle import draw_weight, make_input
from methods.base import Method, Task, roles
from methods.regression import RegressionMethod
from ugpnet.config import RegressorConfig
from ugpnet.model import build_regressor
from ugpnet.recipe import Batch, Budget, Optim, Schedule
from ugpnet.regression import RegressionRecipe
from ugpnet.settings import MixUp, RegressionTraining

DEBLUR = Task("deblur", 1, 32)
SR = Task("sr", 4, 32)
SHORT_WARMUP = Optim(name="adamw", lr=2e-4, weight_decay=0.02, schedule=Schedule(kind="cosine", floor=5e-3, warmup=3))
TINY: dict[str, dict[str, Any]] = {
    "unet": {"width": 4, "depth": 3},
    "hinet": {"wf": 4, "depth": 3, "hin_position_left": 1, "hin_position_right": 2},
    "rrdbnet": {"num_feat": 8, "num_block": 1, "num_grow_ch": 4},
    "nafnet": {"width": 4, "enc_blk_nums": (1, 2), "dec_blk_nums": (1, 1)},
    "uformer": {
        "img_size": 32, "embed_dim": 4, "depths": (1,) * 9, "num_heads": (1, 2, 2, 2, 2, 2, 2, 2, 1), "win_size": 4,
        "training": RegressionTraining(loss="charbonnier", optim=SHORT_WARMUP),
    },
}  # fmt: skip
MIXED = RegressionTraining(loss="charbonnier", optim=SHORT_WARMUP, mixup=MixUp(start=10))
CURVES: dict[str, tuple[str, Task, dict[str, Any]]] = {
    "unet": ("unet", DEBLUR, {}),
    "hinet": ("hinet", DEBLUR, {}),
    "nafnet": ("nafnet", DEBLUR, {}),
    "rrdbnet x4": ("rrdbnet", SR, {}),
    "rrdbnet x1": ("rrdbnet", DEBLUR, {}),
    "uformer": ("uformer", DEBLUR, {}),
    "uformer with mixup": ("uformer", DEBLUR, {"training": MIXED}),
}


def method(name: str, task: Task = DEBLUR, **fields: Any) -> RegressionMethod:
    kind = methods.load(name)
    return cast(RegressionMethod, kind(kind.Config(**{**TINY[name], **fields}), task, {}))


def recipe(made: RegressionMethod) -> RegressionRecipe:
    torch.manual_seed(0)
    built = made.stages()[0].recipe({})
    assert isinstance(built, RegressionRecipe)
    return built


def fill(network: nn.Module) -> Mapping[str, Tensor]:
    """The parity oracles' weights; whole numbers, such as positions in windows, stay."""
    return {
        key: draw_weight(key, value.shape, seed=0) if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }


# ---- what was published ----


def published(name: str, task: Task, **fields: Any) -> Method:
    """The method as its authors set it, with the peers that its defaults name."""
    kind = methods.load(name)
    config = kind.Config(**fields)
    return kind(config, task, {role: published(getattr(config, role), task) for role in roles(kind.Config)})


@pytest.mark.parametrize(
    ("name", "millions"), [("nafnet", 17.1), ("gfpgan", 76.2), ("vqfr", 76.6), ("uformer", 50.9), ("ugpnet", 69.6)]
)
def test_parameters_are_those_of_the_paper_s_table_2(name: str, millions: float) -> None:
    task = Task("deblur", 1, 512)
    made = published(name, task)
    if name == "gfpgan":  # its decoder is the narrower of the two released priors
        narrow = methods.load("stylegan2").Config.model_validate({"architecture": {"channel_multiplier": 1}})
        made.peers = {"prior": methods.load("stylegan2")(narrow, task, {})}
    with torch.device("meta"):
        network = made.network()
    assert count_parameters(network) / 1e6 == pytest.approx(millions, abs=0.05)


@pytest.mark.parametrize(
    ("name", "loss", "weight", "last_rate", "iterations", "batch", "patch"),
    [
        ("hinet", "psnr", 0.5, 1e-7, 400_000, 64, 256),
        ("nafnet", "psnr", 1, 1e-7, 200_000, 32, 256),
        ("uformer", "charbonnier", 1, 1e-6, 789_000, 8, 256),
        ("rrdbnet", "l1", 1, 1e-7, 1_000_000, 16, 128),
    ],
)  # fmt: skip
def test_recipes_are_the_published_ones(
    name: str, loss: str, weight: float, last_rate: float, iterations: int, batch: int, patch: int
) -> None:
    config: Any = methods.load(name).Config()
    training, budget = config.training, config.budget
    assert (training.loss, training.weight) == (loss, weight)
    assert training.optim.lr * training.optim.schedule.floor == pytest.approx(last_rate)
    assert (budget.iterations, budget.batch_size, budget.patch) == (iterations, batch, patch)
    assert budget.flips == ("horizontal", "vertical", "transpose")


def test_the_paper_s_hinet_is_ugpnet_s_copy() -> None:
    ours = published("hinet", DEBLUR, second_stem="shared")
    theirs = RegressorConfig(name="hinet", arguments={"wf": 64, "hin_position_left": 3})
    with torch.device("meta"):
        state, wanted = ours.network().state_dict(), build_regressor(theirs).state_dict()
    assert {key: value.shape for key, value in state.items()} == {key: value.shape for key, value in wanted.items()}


# ---- training ----


@pytest.mark.parametrize("case", CURVES)
def test_twenty_steps_follow_the_pinned_curve(case: str, train, curves, pinned) -> None:
    name, task, fields = CURVES[case]
    found = curves(train(recipe(method(name, task, **fields)), task.size, task.scale))
    golden = pinned("regression", case, found)
    loss = {"nafnet": "psnr", "unet": "psnr", "hinet": "psnr", "rrdbnet": "l1", "uformer": "charbonnier"}[name]
    expected = {f"network/{loss}", f"network/{loss}_1"} if name == "hinet" else {f"network/{loss}"}
    assert set(found) == expected
    for term, curve in found.items():
        assert len(curve) == 20
        assert curve == pytest.approx(golden[term], rel=0.02, abs=1e-3), term


def test_only_rrdbnet_is_averaged() -> None:
    averages = {name: dict(recipe(method(name, SR if name == "rrdbnet" else DEBLUR)).average) for name in TINY}
    assert averages.pop("rrdbnet") == {"network": 0.999}
    assert not any(averages.values())


def test_mixup_blends_what_is_restored_and_what_it_is_compared_with() -> None:
    built = recipe(method("uformer", training=MIXED)).eval()
    batch = make_batch()
    before, after = built(batch, 9), built(batch, 10)
    assert torch.equal(before["gt"], batch.gt)
    assert not torch.allclose(after["gt"], batch.gt)
    one, other = batch.gt
    weight = ((after["gt"][0] - other) / (one - other)).median()
    torch.testing.assert_close(after["gt"][0], weight * one + (1 - weight) * other, atol=1e-4, rtol=1e-4)
    mixed = weight * batch.lq[0] + (1 - weight) * batch.lq[1]
    with torch.no_grad():
        torch.testing.assert_close(after["restored"][0][0], built.restore(mixed[None])[0], atol=1e-4, rtol=1e-4)
    value = built.losses("network", batch, after, 10)["charbonnier"].value
    difference = after["restored"][0] - after["gt"]
    torch.testing.assert_close(value, torch.sqrt(difference.square() + 1e-6).mean())


def make_batch() -> Batch:
    lq, gt = make_input((2, 3, 32, 32), 1), make_input((2, 3, 32, 32), 2)
    return Batch(lq, gt, torch.Generator().manual_seed(1))


# ---- restoring ----


@torch.no_grad()
@pytest.mark.parametrize("name", TINY)
@pytest.mark.parametrize("size", [(32, 32), (37, 23), (61, 67)])
def test_images_of_any_size_are_restored(name: str, size: tuple[int, int]) -> None:
    task = SR if name == "rrdbnet" else DEBLUR
    made = method(name, task)
    restorer = made.restorer({"network": {"network": fill(made.network())}})
    restored = restorer(make_input((1, 3, *size), 4))
    assert restored.shape == (1, 3, size[0] * task.scale, size[1] * task.scale)
    assert restored.isfinite().all()
    assert not restorer.training


@pytest.mark.parametrize("name", ["unet", "hinet", "uformer", "nafnet"])
def test_networks_that_keep_the_size_say_so(name: str) -> None:
    assert method(name).unsupported() is None
    assert "keeps the size of its input" in str(method(name, SR).unsupported())


def test_rrdbnet_enlarges_by_powers_of_two() -> None:
    assert [method("rrdbnet", Task("sr", scale, 48)).unsupported() for scale in (1, 2, 4, 8)] == [None] * 4
    assert "not 3 times" in str(method("rrdbnet", Task("sr", 3, 48)).unsupported())


@pytest.mark.parametrize("name", TINY)
def test_a_released_file_is_adopted(name: str) -> None:
    made = method(name, SR if name == "rrdbnet" else DEBLUR)
    state = fill(made.network())
    released = {"state_dict": {f"module.{key}": value for key, value in state.items()}}  # Uformer's wrapping
    adopted = made.adopt("network", released)["network"]
    assert all(torch.equal(adopted[key], value) for key, value in state.items())


def test_budgets_do_not_reach_the_stage_s_configuration() -> None:
    short, long = (method("unet", budget=Budget(iterations=n)).stages()[0] for n in (1, 2))
    assert short.config == long.config
    assert method("unet", width=8).stages()[0].config != short.config
