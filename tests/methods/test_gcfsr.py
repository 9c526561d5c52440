"""GCFSR: released keys, what its condition does, how it draws scales, twenty steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from bench.parity.oracle import make_input
from methods.base import Task
from methods.gcfsr import GCFSRConfig, GCFSRMethod, GCFSRTraining
from methods.networks.gcfsr import GCFSR, GCFSRBlind
from methods.networks.images import enlarge, reduce
from methods.recipes.gcfsr import GCFSRRecipe, GCFSRRestorer
from methods.recipes.perceptual import PerceptualTerm
from ugpnet.recipe import Batch

SIZE = 32
SR = Task("sr", 4, SIZE)
DEBLUR = Task("deblur", 1, SIZE)
NARROW: dict[str, Any] = {"num_style_feat": 6, "channel_multiplier": 1, "narrow": 1 / 64}
RANDOM = PerceptualTerm(features="random")
OFTEN = GCFSRTraining(r1_every=4, scales=(8, 4), perceptual=RANDOM)


def method(task: Task = SR, **fields: Any) -> GCFSRMethod:
    given: dict[str, Any] = {**NARROW, "training": OFTEN, **fields}
    return GCFSRMethod(GCFSRConfig(**given), task, {})


def recipe(made: GCFSRMethod) -> GCFSRRecipe:
    torch.manual_seed(0)
    built = made.stages()[0].recipe({})
    assert isinstance(built, GCFSRRecipe)
    return built


def network(kind: type[GCFSR] = GCFSR) -> GCFSR:
    torch.manual_seed(1)
    return kind(SIZE, **NARROW).eval()


def make_batch(scale: int = 4) -> Batch:
    lq = make_input((2, 3, SIZE // scale, SIZE // scale), 1)
    return Batch(lq, make_input((2, 3, SIZE, SIZE), 2), torch.Generator().manual_seed(0))


# ---- the network ----


@pytest.mark.parametrize("kind", [GCFSR, GCFSRBlind])
def test_state_dict_has_the_released_keys_and_shapes(kind: type[GCFSR], pinned) -> None:
    state = {key: list(value.shape) for key, value in network(kind).state_dict().items()}
    assert state == pinned("gcfsr", f"state {kind.__name__}", state)


@torch.no_grad()
def test_the_strength_steers_each_image_of_a_batch() -> None:
    net, x = network(), make_input((2, 3, SIZE, SIZE), 0, -1.0, 1.0)
    noise = [torch.zeros(shape) for shape in net.noise_shapes()]
    for index, scale in enumerate(net.condition_scale1):
        scale.bias.normal_(generator=torch.Generator().manual_seed(index))
    weak, strong = (net(x, torch.full((1, 1), value), noise) for value in (0.1, 1.0))
    assert (weak - strong).abs().mean() > 1e-3
    both = net(x, torch.tensor([[0.1], [1.0]]), noise)
    torch.testing.assert_close(both, torch.stack([weak[0], strong[1]]), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(net(x, noise=noise), strong, rtol=1e-4, atol=1e-5)


def test_stored_noise_and_other_sizes_are_refused() -> None:
    net = network()
    with pytest.raises(ValueError, match="do not fit its sizes"):
        net(torch.zeros(1, 3, SIZE, SIZE), noise="stored")
    with pytest.raises(ValueError, match="32x32 px, not 16x32"):
        net(torch.zeros(1, 3, SIZE, SIZE // 2))


# ---- the recipe ----


@pytest.mark.parametrize("scales", [(), (8, 4)], ids=["task pairs", "own scales"])
def test_twenty_steps_follow_the_pinned_curve(scales: tuple[int, ...], train, curves, pinned) -> None:
    training = OFTEN.model_copy(update={"scales": scales})
    found = curves(train(recipe(method(training=training)), SIZE, 4))
    golden = pinned("gcfsr", f"curves {scales}", found)
    assert {name: len(curve) for name, curve in found.items()} == {
        "discriminator/d": 20, "discriminator/r1": 5,
        "network/l1": 20, "network/adv": 20, "network/feature_distance(random)": 20,
    }  # fmt: skip
    for name, curve in found.items():
        assert curve == pytest.approx(golden[name], rel=0.02, abs=1e-3), name


def test_the_discriminator_comes_first_and_both_see_the_same_input() -> None:
    built, batch = recipe(method()), make_batch()
    assert [player.name for player in built.players] == ["discriminator", "network"]
    seen: list[tuple[Tensor, Tensor]] = []
    built.networks["network"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs))
    shared = built(batch, 0)
    terms = built.losses("discriminator", batch, shared, 0)
    assert {name: term.weight for name, term in terms.items()} == {"d": 1.0, "r1": 10 / 2 * 4}
    assert set(built.losses("discriminator", batch, shared, 1)) == {"d"}
    terms["d"].value.backward()
    assert all(parameter.grad is None for parameter in built.networks["network"].parameters())
    terms = built.losses("network", batch, shared, 0)
    assert {name: term.weight for name, term in terms.items()} == {
        "l1": 1.0, "adv": 0.01, "feature_distance(random)": 0.01
    }  # fmt: skip
    assert all(torch.equal(inputs[0], seen[0][0]) for inputs in seen)


def test_own_scales_come_with_their_strengths() -> None:
    built, batch = recipe(method()), make_batch()
    shared = built(batch, 0)
    again = recipe(method())(make_batch(), 0)
    assert torch.equal(shared["lq"], again["lq"])
    for image, gt, strength in zip(shared["lq"], batch.gt, shared["strength"], strict=True):
        scale = round(float(strength) * 32)
        assert scale in (8, 4)
        expected = enlarge(reduce(gt[None], scale), scale)[0] * 2 - 1
        torch.testing.assert_close(image, expected.clamp(-1, 1), rtol=0, atol=1 / 255 + 1e-6)
    drawn = {float(s) for seed in range(8) for s in _strengths(built, seed)}
    assert drawn == {8 / 32, 4 / 32}


def _strengths(built: GCFSRRecipe, seed: int) -> Tensor:
    batch = make_batch()
    strengths: Tensor = built(Batch(batch.lq, batch.gt, torch.Generator().manual_seed(seed)), 0)["strength"]
    return strengths


@pytest.mark.parametrize(
    ("task", "fields", "strength"),
    [(SR, {}, 4 / 32), (DEBLUR, {}, 1.0), (SR, {"variant": "blind"}, 1.0)],
    ids=["sr", "deblur", "blind"],
)
def test_without_own_scales_the_task_s_pairs_are_learned(task: Task, fields: dict[str, Any], strength: float) -> None:
    training = OFTEN if fields or task.scale == 1 else OFTEN.model_copy(update={"scales": ()})
    shared, batch = recipe(method(task, training=training, **fields))(make_batch(task.scale), 0), make_batch(task.scale)
    assert float(shared["strength"]) == strength
    torch.testing.assert_close(shared["lq"], enlarge(batch.lq, task.scale) * 2 - 1)


# ---- the method ----


@torch.no_grad()
@pytest.mark.parametrize("task", [SR, DEBLUR], ids=lambda task: task.name)
@pytest.mark.parametrize("variant", ["controllable", "blind"])
def test_restorer_repeats_itself_and_validation(task: Task, variant: str) -> None:
    made = method(task, variant=variant)
    built = recipe(made).eval()
    restorer = made.restorer({"network": {"network": built.networks["network"].state_dict()}})
    lq = make_batch(task.scale).lq
    restored = restorer(lq)
    assert restored.shape == (2, 3, SIZE, SIZE)
    torch.testing.assert_close(restorer(lq[1:]), restored[1:], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(built.restore(lq), restored)


def test_the_strength_at_test_time_retrains_nothing() -> None:
    weak, own = method(strength=0.05), method()
    assert weak.stages()[0].config == own.stages()[0].config
    state = {"network": {"network": network().state_dict()}}
    restorers = [made.restorer(state) for made in (weak, own)]
    assert [r.strength for r in restorers if isinstance(r, GCFSRRestorer)] == [0.05, 4 / 32]


def test_footnotes_say_what_differs_from_the_task_or_the_paper() -> None:
    assert method().notes() == (
        "trained on bicubic x4, x8, not on the task's pairs",
        "perceptual loss on random features, not on VGG16",
    )
    assert method(DEBLUR, training=GCFSRTraining()).notes() == ()
    assert method(DEBLUR, training=GCFSRTraining(perceptual=PerceptualTerm(features="off"))).notes() == (
        "no perceptual loss",
    )


def test_stage_needs_vgg_only_as_published() -> None:
    assert method(training=GCFSRTraining()).stages()[0].needs == ("vgg16",)
    assert method().stages()[0].needs == ()


def test_what_gcfsr_cannot_do_is_said() -> None:
    assert method().unsupported() is None
    assert "power of two" in str(method(Task("sr", 4, 48)).unsupported())
    prior = GCFSRTraining(perceptual=PerceptualTerm(features="prior_discriminator"))
    assert "no prior" in str(method(training=prior).unsupported())
