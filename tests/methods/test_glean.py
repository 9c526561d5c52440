"""GLEAN: mmagic's keys around any StyleGAN2, a prior that stays as it is, twenty steps."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from bench.parity.oracle import draw_weight, make_input
from methods.base import Task
from methods.bicubic import BicubicConfig, BicubicMethod
from methods.glean import GLEANConfig, GLEANMethod, GLEANTraining
from methods.losses.perceptual import Conv4Loss
from methods.networks.glean import GLEAN
from methods.networks.released import release_names
from methods.recipes.glean import GLEANRecipe
from methods.recipes.perceptual import PerceptualTerm
from methods.stylegan2 import Architecture, StyleGAN2, StyleGAN2Config
from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.recipe import Batch, Weights

SIZE, SCALE = 32, 4
SR = Task("sr", SCALE, SIZE)
NARROW: dict[str, Any] = {"rrdb_channels": 4, "num_rrdbs": 1, "growth": 2}
PRIOR_FEATURES = GLEANTraining(perceptual=PerceptualTerm(features="prior_discriminator"))
NO_EFFECT = ("generator.", "fusion_skip.")


def stylegan2() -> StyleGAN2:
    architecture = Architecture(num_style_feat=6, num_mlp=1, channel_multiplier=1, narrow=1 / 64)
    return StyleGAN2(StyleGAN2Config(architecture=architecture), Task("prior", 1, SIZE), {})


def prior_weights() -> Weights:
    torch.manual_seed(3)
    prior = stylegan2()
    return {"generator": prior.network().state_dict(), "discriminator": prior.discriminator().state_dict()}


def method(task: Task = SR, **fields: Any) -> GLEANMethod:
    given: dict[str, Any] = {**NARROW, "training": PRIOR_FEATURES, **fields}
    return GLEANMethod(GLEANConfig(**given), task, {"prior": stylegan2()})


def recipe(made: GLEANMethod, prior: Weights | None = None) -> GLEANRecipe:
    upstream = {"prior": prior_weights() if prior is None else prior}
    torch.manual_seed(0)
    built = made.stages()[0].recipe(upstream)
    assert isinstance(built, GLEANRecipe)
    return built


def make_batch() -> Batch:
    lq = make_input((2, 3, SIZE // SCALE, SIZE // SCALE), 1)
    return Batch(lq, make_input((2, 3, SIZE, SIZE), 2), torch.Generator().manual_seed(0))


# ---- the network ----


def test_state_dict_has_the_released_keys_and_shapes(pinned) -> None:
    state = {key: list(value.shape) for key, value in method().network().state_dict().items()}
    assert state == pinned("glean", "state", state)


def test_two_entries_may_not_get_one_name() -> None:
    with pytest.raises(ValueError, match="one name"):
        release_names(nn.Linear(2, 2), [("weight|bias", "entry")])


@torch.no_grad()
def test_encoder_and_latent_bank_both_reach_the_image() -> None:
    network, lq = method().network(), make_input((1, 3, 8, 8), 0, -1.0, 1.0)
    before = network(lq)
    assert before.shape == (1, 3, SIZE, SIZE)
    for part in ("encoder.0", "fusion_out.0", "generator.style_convs.0", "decoder.0"):
        changed = method().network()
        changed.load_state_dict(network.state_dict())
        for parameter in changed.get_submodule(part).parameters():
            parameter.add_(0.1)
        assert not torch.allclose(changed(lq), before), part


def test_sizes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="8x8 px, not 32x32"):
        method().network()(torch.zeros(1, 3, SIZE, SIZE))
    with pytest.raises(ValueError, match="too small"):
        GLEAN(SIZE, stylegan2().network())


# ---- the recipe ----


def test_twenty_steps_follow_the_pinned_curve(train, curves, pinned) -> None:
    found = curves(train(recipe(method()), SIZE, SCALE))
    golden = pinned("glean", "curves", found)
    assert {name: len(curve) for name, curve in found.items()} == {
        "network/mse": 20, "network/adv": 20, "network/feature_distance(prior_discriminator)": 20, "discriminator/d": 20,
    }  # fmt: skip
    for name, curve in found.items():
        assert curve == pytest.approx(golden[name], rel=0.02, abs=1e-3), name


def test_the_prior_stays_and_the_rest_learns(train) -> None:
    built = recipe(method())
    before = {name: value.clone() for name, value in built.networks["network"].state_dict().items()}
    after = train(built, SIZE, SCALE, steps=2).weights["network"]
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert moved == {name for name in before if not name.startswith(NO_EFFECT)}
    names = ("generator.conv1.conv.weight_orig", "generator.convs.1.noise_injector.weight")
    released = [
        prior_weights()["generator"][f"style_{name}"] for name in ("conv1.modulated_conv.weight", "convs.1.weight")
    ]
    assert all(torch.equal(after[name], value) for name, value in zip(names, released, strict=True))


def test_the_network_comes_first_and_the_discriminator_sees_it_detached() -> None:
    built, batch = recipe(method()), make_batch()
    assert [player.name for player in built.players] == ["network", "discriminator"]
    shared = built(batch, 0)
    terms = built.losses("network", batch, shared, 0)
    assert {name: term.weight for name, term in terms.items()} == {
        "mse": 1, "adv": 0.01, "feature_distance(prior_discriminator)": 0.01
    }  # fmt: skip
    built.losses("discriminator", batch, shared, 0)["d"].value.backward()
    assert all(parameter.grad is None for parameter in built.networks["network"].parameters())
    assert built.average == {}


def test_a_prior_without_discriminator_has_no_features_to_compare() -> None:
    generator_only = {"generator": prior_weights()["generator"]}
    with pytest.raises(CheckpointMismatch, match="discriminator"):
        recipe(method(), generator_only)
    off = GLEANTraining(perceptual=PerceptualTerm(features="off"))
    assert recipe(method(training=off), generator_only).perceptual is None


@torch.no_grad()
def test_vgg_sees_signed_images_unless_they_are_rescaled() -> None:
    weights = {name: draw_weight(name, shape, seed=0) for name, shape in vgg16_shapes().items()}
    restored, gt = (make_input((1, 3, 16, 16), seed, -1.0, 1.0) for seed in (0, 1))
    rescaled, signed = (Conv4Loss(weights, "mse", rescale) for rescale in (True, False))
    torch.testing.assert_close(rescaled(restored, gt), signed((restored + 1) / 2, (gt + 1) / 2))
    assert signed(restored, gt) > rescaled(restored, gt)


def vgg16_shapes() -> dict[str, tuple[int, ...]]:
    """torchvision's entries as far as conv4_3."""
    widths = [(0, 3, 64), (2, 64, 64), (5, 64, 128), (7, 128, 128), (10, 128, 256), (12, 256, 256), (14, 256, 256),
              (17, 256, 512), (19, 512, 512), (21, 512, 512)]  # fmt: skip
    weights = {f"features.{index}.weight": (out, into, 3, 3) for index, into, out in widths}
    return {**weights, **{f"features.{index}.bias": (out,) for index, _, out in widths}}


# ---- the method ----


@torch.no_grad()
def test_restorer_and_validation_give_the_same_image() -> None:
    made = method()
    built = recipe(made).eval()
    restorer = made.restorer({"network": {"network": built.networks["network"].state_dict()}})
    lq = make_batch().lq
    assert restorer(lq).shape == (2, 3, SIZE, SIZE)
    torch.testing.assert_close(restorer(lq), built.restore(lq))


def test_files_of_mmagic_are_adopted() -> None:
    state = method().network().state_dict()
    whole = {f"generator.{name}": value for name, value in state.items()} | {"discriminator.x": torch.zeros(1)}
    for checkpoint in (state, {"state_dict": whole}):
        adopted = method().adopt("network", checkpoint)["network"]
        assert adopted.keys() == state.keys()


def test_needs_and_footnotes_follow_the_perceptual_loss() -> None:
    published = method(training=GLEANTraining())
    assert published.stages()[0].needs == ("prior", "vgg16")
    assert published.notes() == ()
    assert method().stages()[0].needs == ("prior",)
    assert "not on VGG16" in method().notes()[0]


def test_what_glean_cannot_do_is_said() -> None:
    assert method().unsupported() is None
    assert "only enlarges" in str(method(Task("deblur", 1, SIZE)).unsupported())
    assert "power of two" in str(method(Task("sr", 4, 24)).unsupported())
    assert "at least 4 px" in str(method(Task("sr", 16, SIZE)).unsupported())
    no_prior = GLEANMethod(GLEANConfig(), SR, {"prior": BicubicMethod(BicubicConfig(), SR, {})})
    assert "no generative prior" in str(no_prior.unsupported())
