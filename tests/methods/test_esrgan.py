"""ESRGAN: goes on from a trained network, network before discriminator, averages without gradient, twenty steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.parity.oracle import make_input
from methods.base import Method, Task
from methods.bicubic import BicubicConfig, BicubicMethod
from methods.esrgan import ESRGANConfig, ESRGANMethod, ESRGANPerceptual, ESRGANTraining
from methods.recipes.esrgan import ESRGANRecipe
from methods.rrdbnet import RRDBNetConfig, RRDBNetMethod
from methods.stylegan2 import StyleGAN2, StyleGAN2Config
from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.recipe import Batch, Budget, Weights

SIZE, SCALE = 32, 4
SR = Task("sr", SCALE, SIZE)
RANDOM = ESRGANTraining(perceptual=ESRGANPerceptual(features="random"), num_feat=2)
WHOLE = Budget(iterations=20, batch_size=2)


def rrdbnet(task: Task = SR) -> RRDBNetMethod:
    return RRDBNetMethod(RRDBNetConfig(num_feat=8, num_block=1, num_grow_ch=4), task, {})


def pretrained() -> Weights:
    torch.manual_seed(7)
    return {"network": rrdbnet().network().state_dict()}


def method(task: Task = SR, peer: Method | None = None, **fields: Any) -> ESRGANMethod:
    given: dict[str, Any] = {"training": RANDOM, "budget": WHOLE, **fields}
    return ESRGANMethod(ESRGANConfig(**given), task, {"pretrained": peer or rrdbnet(task)})


def recipe(made: ESRGANMethod, **upstream: Weights) -> ESRGANRecipe:
    given = {"pretrained": pretrained(), **upstream}
    torch.manual_seed(0)
    built = made.stages()[0].recipe(given)
    assert isinstance(built, ESRGANRecipe)
    return built


def make_batch() -> Batch:
    lq = make_input((2, 3, SIZE // SCALE, SIZE // SCALE), 1)
    return Batch(lq, make_input((2, 3, SIZE, SIZE), 2), torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scale", [4, 8])
def test_twenty_steps_follow_the_pinned_curve(scale: int, train, curves, pinned) -> None:
    task = Task("sr", scale, SIZE)
    torch.manual_seed(7)
    start: Weights = {"network": rrdbnet(task).network().state_dict()}
    found = curves(train(recipe(method(task), pretrained=start), SIZE, scale))
    golden = pinned("esrgan", f"curves x{scale}", found)
    assert {name: len(curve) for name, curve in found.items()} == {
        "network/l1": 20, "network/feature_distance(random)": 20, "network/adv": 20, "discriminator/d": 20,
    }  # fmt: skip
    for name, curve in found.items():
        assert curve == pytest.approx(golden[name], rel=0.02, abs=1e-3), name


def test_the_recipe_is_basicsr_s() -> None:
    config = ESRGANConfig()
    training, budget = config.training, config.budget
    assert training.optim == training.d_optim
    assert (training.optim.lr, training.optim.betas) == (1e-4, (0.9, 0.99))
    assert (training.optim.schedule.milestones, training.optim.schedule.gamma) == (
        (50_000, 100_000, 200_000, 300_000),
        0.5,
    )
    assert (training.l1, training.perceptual_weight, training.adversarial) == (0.01, 1, 0.005)
    assert (budget.iterations, budget.batch_size, budget.patch) == (400_000, 16, 128)
    assert recipe(method()).average == {"network": 0.999}


def test_it_goes_on_from_the_pretrained_network() -> None:
    state = recipe(method()).networks["network"].state_dict()
    assert all(torch.equal(state[name], value) for name, value in pretrained()["network"].items())
    assert method().stages()[0].needs == ("pretrained",)
    other = RRDBNetMethod(RRDBNetConfig(num_feat=4, num_block=1, num_grow_ch=4), SR, {})
    with pytest.raises(CheckpointMismatch, match="ESRGAN pretrained"):
        recipe(method(), pretrained={"network": other.network().state_dict()})


def test_the_network_comes_first_and_the_discriminator_sees_it_detached() -> None:
    built, batch = recipe(method()), make_batch()
    assert [player.name for player in built.players] == ["network", "discriminator"]
    shared = built(batch, 0)
    terms = built.losses("discriminator", batch, shared, 0)
    assert {name: term.weight for name, term in terms.items()} == {"d": 1.0}
    terms["d"].value.backward()
    assert all(parameter.grad is None for parameter in built.networks["network"].parameters())
    terms = built.losses("network", batch, shared, 0)
    weights = {name: term.weight for name, term in terms.items()}
    assert weights == {"l1": 0.01, "feature_distance(random)": 1, "adv": 0.005}
    torch.testing.assert_close(terms["l1"].value, (shared["restored"] - batch.gt).abs().mean())
    terms["adv"].value.backward()
    assert any(parameter.grad is not None for parameter in built.networks["network"].parameters())


def test_both_objectives_are_relativistic() -> None:
    built, batch = recipe(method()), make_batch()
    shared = built(batch, 0)
    real, fake = (built.networks["discriminator"](images) for images in (batch.gt, shared["restored"]))
    found = {
        "d": built.losses("discriminator", batch, shared, 0)["d"].value,
        "adv": built.losses("network", batch, shared, 0)["adv"].value,
    }
    torch.testing.assert_close(found["d"], _relativistic(real, fake))
    torch.testing.assert_close(found["adv"], _relativistic(fake, real))


def _relativistic(above: Tensor, below: Tensor) -> Tensor:
    """`above` is to look more real than the average of `below`."""
    return (F.softplus(below.mean() - above).mean() + F.softplus(below - above.mean()).mean()) / 2


def test_vgg19_is_needed_only_as_published() -> None:
    published = method(training=ESRGANTraining())
    assert published.stages()[0].needs == ("pretrained", "vgg19")
    assert published.notes() == ()
    assert method().notes() == ("perceptual loss on random features, not on VGG19",)
    off = ESRGANTraining(perceptual=ESRGANPerceptual(features="off"), num_feat=2)
    assert method(training=off).notes() == ("no perceptual loss",)
    batch, built = make_batch(), recipe(method(training=off))
    assert set(built.losses("network", batch, built(batch, 0), 0)) == {"l1", "adv"}


@torch.no_grad()
def test_restorer_and_validation_agree() -> None:
    made, lq = method(), make_batch().lq
    built = recipe(made).eval()
    restorer = made.restorer({"network": {"network": built.networks["network"].state_dict()}})
    assert restorer(lq).shape == (2, 3, SIZE, SIZE)
    torch.testing.assert_close(restorer(lq), built.restore(lq))


def test_what_esrgan_cannot_do_is_said() -> None:
    assert method().unsupported() is None
    assert "only enlarges" in str(method(Task("deblur", 1, SIZE)).unsupported())
    assert "not 3 times" in str(method(Task("sr", 3, 48)).unsupported())
    assert "power of two" in str(method(budget=Budget(iterations=1, patch=48)).unsupported())
    bicubic = BicubicMethod(BicubicConfig(), SR, {})
    assert "no single network" in str(method(peer=bicubic).unsupported())
    prior = StyleGAN2(StyleGAN2Config(), SR, {})
    assert "no restored image" in str(method(peer=prior).unsupported())


def test_the_patch_is_the_discriminator_s() -> None:
    assert recipe(method(budget=Budget(iterations=1, patch=16))).networks["discriminator"].input_size == 16
    assert recipe(method()).networks["discriminator"].input_size == SIZE
