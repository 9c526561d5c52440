"""GPEN: released keys, a prior inside the decoder, the order of the players, twenty steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bench.parity.oracle import make_input
from methods.base import Task
from methods.bicubic import BicubicConfig, BicubicMethod
from methods.gpen import GPENConfig, GPENMethod, GPENTraining
from methods.losses.backbones import ARCFACE
from methods.losses.identity import CROP, IdentityLoss, crop
from methods.networks.gpen import embed_prior
from methods.networks.ir_se50 import IRSE50
from methods.recipes.gpen import GPENRecipe
from methods.stylegan2 import Architecture, StyleGAN2, StyleGAN2Config
from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.recipe import Batch, Weights

SIZE = 16
TASK = Task("deblur", 1, SIZE)
NARROW: dict[str, Any] = {"style_dim": 8, "n_mlp": 1, "channel_multiplier": 1, "narrow": 1 / 64}
OFTEN = GPENTraining(r1_every=4, path_every=4)


def stylegan2(narrow: float = 1 / 64, size: int = SIZE) -> StyleGAN2:
    architecture = Architecture(num_style_feat=8, num_mlp=1, channel_multiplier=1, narrow=narrow)
    return StyleGAN2(StyleGAN2Config(architecture=architecture), Task("prior", 1, size), {})


def prior_weights(prior: StyleGAN2) -> Weights:
    torch.manual_seed(3)
    return {"generator": prior.network().state_dict(), "discriminator": prior.discriminator().state_dict()}


def method(task: Task = TASK, **fields: Any) -> GPENMethod:
    given: dict[str, Any] = {**NARROW, "training": OFTEN, **fields}
    return GPENMethod(GPENConfig(**given), task, {"prior": stylegan2()})


def recipe(made: GPENMethod, upstream: dict[str, Weights] | None = None) -> GPENRecipe:
    torch.manual_seed(0)
    built = made.stages()[0].recipe({"prior": prior_weights(stylegan2())} if upstream is None else upstream)
    assert isinstance(built, GPENRecipe)
    return built


# ---- the network ----


def test_state_dict_has_the_released_keys_and_shapes(pinned) -> None:
    built = recipe(method(init="scratch"), {})
    state = {key: list(value.shape) for key, value in built.networks.state_dict().items()}
    assert state == pinned("gpen", "state", state)


def test_released_names_load_again_and_others_are_refused() -> None:
    network, other = method().network(), method().network()
    other.load_state_dict(network.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(network.parameters(), other.parameters(), strict=True))
    ours = {f"generator.{name}": value for name, value in network.generator.named_parameters()}
    with pytest.raises(RuntimeError, match=r"Missing|Unexpected"):
        other.load_state_dict(ours)


@torch.no_grad()
def test_the_embedded_prior_makes_the_prior_s_images() -> None:
    prior = stylegan2().network()
    for name, entry in prior.named_parameters():
        if name.endswith("bias"):
            entry.normal_(generator=torch.Generator().manual_seed(len(name)))
    network = method().network()
    embed_prior(network, prior.state_dict())
    x = make_input((2, 3, SIZE, SIZE), 0, -1.0, 1.0)
    restored, latents = network.synthesize(x)
    silence = [torch.zeros(shape) for shape in prior.noise_shapes()]
    image, _ = prior.synthesize(latents, noise=silence)
    torch.testing.assert_close(restored, image, rtol=1e-4, atol=1e-5)


def test_every_encoder_map_matters_after_one_step_from_the_prior() -> None:
    network = method().network()
    embed_prior(network, stylegan2().network().state_dict())
    network(make_input((2, 3, SIZE, SIZE), 0, -1.0, 1.0)).square().mean().backward()
    for name, entry in network.generator.named_parameters():
        if name.startswith("style_convs") and name.endswith("modulated_conv.weight"):
            assert entry.grad is not None
            of_the_encoder = entry.grad[:, :, entry.shape[2] // 2 :]
            assert of_the_encoder.abs().amax() > 0, name


@pytest.mark.parametrize("prior", [stylegan2(narrow=1 / 32), stylegan2(size=2 * SIZE)])
def test_a_prior_of_another_size_or_width_is_refused(prior: StyleGAN2) -> None:
    if prior.task.size > SIZE:
        made, weights = method(Task("deblur", 1, 4 * SIZE)), prior_weights(prior)
    else:
        made, weights = method(), prior_weights(prior)
    with pytest.raises(CheckpointMismatch, match="use equal sizes and widths"):
        recipe(made, {"prior": weights})


def test_other_image_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="16x16 px, not 32x16"):
        method().network()(torch.zeros(1, 3, 16, 32))


# ---- the recipe ----


def test_twenty_steps_follow_the_pinned_curve(train, curves, pinned) -> None:
    found = curves(train(recipe(method()), SIZE))
    golden = pinned("gpen", "curves", found)
    assert {name: len(curve) for name, curve in found.items()} == {
        "discriminator/d": 20, "r1/r1": 5, "network/smooth_l1": 20, "network/adv": 20, "path_length/path": 5,
    }  # fmt: skip
    for name, curve in found.items():
        assert curve == pytest.approx(golden[name], rel=0.02, abs=1e-3), name


def test_players_take_turns_and_regularisers_share_their_optimiser() -> None:
    built = recipe(method())
    assert [(player.name, player.networks, player.every) for player in built.players] == [
        ("discriminator", ("discriminator",), 1), ("r1", ("discriminator",), 4),
        ("network", ("network",), 1), ("path_length", ("network",), 4),
    ]  # fmt: skip
    assert built.players[0].optim == built.players[1].optim
    assert built.players[2].optim == built.players[3].optim
    off = recipe(method(training=GPENTraining(r1_weight=0, path_weight=0)))
    assert [player.name for player in off.players] == ["discriminator", "network"]


def test_regularisers_are_weighted_by_their_interval() -> None:
    built = recipe(method())
    batch = _batch()
    assert built.losses("r1", batch, {}, 0)["r1"].weight == 10 / 2 * 4
    assert built.losses("path_length", batch, {}, 0)["path"].weight == 2 * 4


def test_both_players_start_from_the_prior_or_from_a_gpen() -> None:
    weights = prior_weights(stylegan2())
    built = recipe(method(), {"prior": weights})
    assert torch.equal(
        built.networks["discriminator"].final_conv[0].weight, weights["discriminator"]["final_conv.0.weight"]
    )

    torch.manual_seed(5)
    trained: Weights = {"network": method().network().state_dict()}
    finetuned = GPENMethod(GPENConfig(**NARROW), TASK, {"prior": method(init="scratch")})
    assert finetuned.unsupported() is None
    network = recipe(finetuned, {"prior": trained}).networks["network"]
    assert all(torch.equal(value, trained["network"][name]) for name, value in network.state_dict().items())


def _batch(scale: int = 1) -> Batch:
    lq = make_input((2, 3, SIZE // scale, SIZE // scale), 1)
    return Batch(lq, make_input((2, 3, SIZE, SIZE), 2), torch.Generator().manual_seed(0))


# ---- the method ----


@torch.no_grad()
@pytest.mark.parametrize("task", [TASK, Task("sr", 4, SIZE)], ids=lambda task: task.name)
def test_restorer_and_validation_give_the_same_image(task: Task) -> None:
    made = method(task)
    built = recipe(made).eval()
    restorer = made.restorer({"network": {"network": built.networks["network"].state_dict()}})
    lq = _batch(task.scale).lq
    assert restorer(lq).shape == (2, 3, SIZE, SIZE)
    assert not restorer.training
    torch.testing.assert_close(restorer(lq), built.restore(lq))


def test_released_files_are_adopted() -> None:
    state = method().network().state_dict()
    for checkpoint in (state, {"g_ema": state}):
        assert set(method().adopt("network", checkpoint)["network"]) == set(state)


def test_stage_needs_and_reads_only_what_it_uses() -> None:
    [stage] = method().stages()
    assert stage.needs == ("prior",)
    [scratch] = method(init="scratch", training=GPENTraining(identity=1)).stages()
    assert scratch.needs == (ARCFACE,)
    assert method(prior="other").stages()[0].config == stage.config


def test_the_missing_identity_loss_is_a_footnote() -> None:
    assert "identity" in method().notes()[0]
    assert method(training=GPENTraining(identity=1)).notes() == ()


def test_what_gpen_cannot_do_is_said() -> None:
    assert method().unsupported() is None
    assert "power of two" in str(method(Task("deblur", 1, 24)).unsupported())
    no_prior = GPENMethod(
        GPENConfig(**NARROW), TASK, {"prior": BicubicMethod(BicubicConfig(), Task("sr", 4, SIZE), {})}
    )
    assert "neither a generative prior" in str(no_prior.unsupported())


# ---- identity ----


def test_identity_crops_what_arcface_knows() -> None:
    faces = make_input((1, 3, 256, 256), 0)
    torch.testing.assert_close(crop(faces), nn.functional.adaptive_avg_pool2d(faces[:, :, 35:-33, 32:-36], 112))
    assert crop(faces[:, :, ::8, ::8]).shape == (1, 3, 112, 112)
    assert sum(CROP) < 1


@torch.no_grad()
def test_identity_is_zero_for_the_same_face_and_frozen() -> None:
    torch.manual_seed(0)
    loss = IdentityLoss(IRSE50().state_dict())
    loss.train()
    assert not any(module.training for module in loss.network.modules())
    assert list(loss.parameters()) == []
    first, second = make_input((2, 3, 32, 32), 0, -1.0, 1.0), make_input((2, 3, 32, 32), 1, -1.0, 1.0)
    assert loss(first, first) == pytest.approx(0, abs=1e-5)
    value: Tensor = loss(first, second)
    assert 1e-6 < value <= 2


def test_ir_se50_has_the_published_size() -> None:
    with torch.device("meta"):
        network = IRSE50()
    assert sum(parameter.numel() for parameter in network.parameters()) == 43_797_696
