"""GFP-GAN: the clean decoder is the ordinary generator folded, and its recipe does what it says."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.train.loop import fit
from bench.weights import find
from methods.base import Task
from methods.bicubic import BicubicConfig, BicubicMethod
from methods.gfpgan import GFPGAN, GFPGANConfig, Training
from methods.losses.backbones import GREY_ARCFACE
from methods.losses.identity import GreyIdentityLoss
from methods.networks.arcface import ArcFaceResNet18
from methods.networks.clean_weights import clean_state
from methods.networks.gfpgan import GFPGANRestorer
from methods.networks.gfpgan_clean import CleanGenerator
from methods.recipes.gfpgan import GFPGANRecipe, pyramid_loss
from methods.stylegan2 import Architecture, StyleGAN2, StyleGAN2Config
from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.losses.perceptual import gram_matrix
from ugpnet.nn.modulation import StyleConv, ToRGB
from ugpnet.nn.stylegan2 import StyleGAN2Generator
from ugpnet.recipe import Batch, Budget, Term, Weights

SIZE = 32
NARROW = Architecture(num_style_feat=6, num_mlp=1, channel_multiplier=1, narrow=1 / 64)
TASK = Task("deblur", 1, SIZE)
OFF = Training(perceptual="off")
COMPONENTS = Training(perceptual="off", components="aligned", r1_every=4)
SLOW = COMPONENTS.model_copy(  # at the published rates, a last digit more or less shows after twenty steps
    update={name: getattr(COMPONENTS, name).model_copy(update={"lr": 2e-4})
            for name in ("g_optim", "d_optim", "component_optim")}
)  # fmt: skip
WHOLE = Training(components="face_boxes", identity_weight=10)


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


# ---- the clean decoder ----


def folded() -> tuple[StyleGAN2Generator, CleanGenerator]:
    """An ordinary generator, its biases and noise strengths drawn too, and the clean one made of it."""
    ordinary = StyleGAN2Generator(16, num_style_feat=6, num_mlp=3, narrow=1 / 64)
    for index, parameter in enumerate(ordinary.parameters()):
        if parameter.ndim == 1:
            parameter.data += 0.5 * draw(*parameter.shape, seed=index)
    clean = CleanGenerator(16, num_style_feat=6, num_mlp=3, narrow=1 / 64)
    clean.load_state_dict(clean_state(ordinary.state_dict()))
    return ordinary, clean


def assert_inside(ours: Tensor, theirs: Tensor, margin: int) -> None:
    """Equal but for the borders, where up-sampling pads differently."""
    assert ours.shape == theirs.shape
    inside = slice(margin, ours.shape[-1] - margin)
    torch.testing.assert_close(ours[..., inside, inside], theirs[..., inside, inside], rtol=1e-5, atol=1e-5)


@torch.no_grad()
def test_the_style_mlp_is_the_same_function() -> None:
    ordinary, clean = folded()
    torch.testing.assert_close(clean.map(draw(4, 6)), ordinary.map(draw(4, 6)), rtol=1e-5, atol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("batch", [1, 3])
def test_modulated_convolutions_are_the_same_inside(batch: int) -> None:
    ordinary, clean = folded()
    names = [name for name, _ in ordinary.named_modules() if name.endswith("modulated_conv")]
    assert len(names) == 8
    for name in names:
        theirs, ours = ordinary.get_submodule(name), clean.get_submodule(name)
        x, latent = draw(batch, 8, 9, 9), draw(batch, 6, seed=1)
        expected, found = theirs(x, latent), ours(x, latent)
        assert expected.abs().mean() > 0.1
        assert_inside(found, expected, margin=0 if expected.shape[-1] == 9 else 2)


@torch.no_grad()
def test_layers_with_noise_bias_and_image_are_the_same_inside() -> None:
    ordinary, clean = folded()
    compared = 0
    for name, theirs in ordinary.named_modules():
        latent = draw(2, 6, seed=1)
        if isinstance(theirs, StyleConv):
            x, noise = draw(2, 8, 9, 9), draw(2, 1, *(2 * [9 if theirs.modulated_conv.blur is None else 18]), seed=2)
            assert theirs.weight.abs() > 0
            assert_inside(clean.get_submodule(name)(x, latent, noise), theirs(x, latent, noise), margin=2)
        elif isinstance(theirs, ToRGB):
            x, skip = draw(2, 8, 8, 8), draw(2, 3, 4, 4, seed=3) if hasattr(theirs, "upsample") else None
            assert_inside(clean.get_submodule(name)(x, latent, skip), theirs(x, latent, skip), margin=2)
        compared += isinstance(theirs, StyleConv | ToRGB)
    assert compared == 5 + 3


# ---- the recipe ----


def test_the_pyramid_loss_by_hand() -> None:
    gt = draw(2, 3, 32, 32)
    pyramid = [draw(2, 3, 8, 8, seed=1), draw(2, 3, 16, 16, seed=2), draw(2, 3, 32, 32, seed=3)]
    half, quarter = F.avg_pool2d(gt, 2), F.avg_pool2d(gt, 4)
    expected = sum((image - target).abs().mean() for image, target in zip(pyramid, (quarter, half, gt), strict=True))
    torch.testing.assert_close(pyramid_loss(pyramid, gt), torch.as_tensor(expected))
    exact = [torch.full((1, 3, side, side), 0.25) for side in (8, 16)]
    assert pyramid_loss(exact, torch.ones(1, 3, 16, 16)).item() == pytest.approx(2 * 0.75)


def build_prior(task: Task = TASK) -> StyleGAN2:
    return StyleGAN2(StyleGAN2Config(architecture=NARROW), task, {})


def build_method(training: Training = OFF, task: Task = TASK) -> GFPGAN:
    return GFPGAN(GFPGANConfig(training=training), task, {"prior": build_prior(task)})


def prior_weights() -> Weights:
    prior = build_prior()
    torch.manual_seed(0)
    return {"generator": prior.network().state_dict(), "discriminator": prior.discriminator().state_dict()}


def build_recipe(training: Training = OFF) -> GFPGANRecipe:
    (stage,) = build_method(training).stages()
    recipe = stage.recipe({"prior": prior_weights()})
    assert isinstance(recipe, GFPGANRecipe)
    return recipe


class Pairs:
    """Random pairs; `scale` as in super-resolution."""

    def __init__(self, scale: int = 1) -> None:
        self.scale = scale

    def batch(self, step: int) -> Batch:
        gt = draw(2, 3, SIZE, SIZE, seed=step).sigmoid()
        return Batch(F.avg_pool2d(gt, self.scale), gt, torch.Generator().manual_seed(step))


def released_state() -> Weights:
    """ArcFace's weights under the names of their released file."""
    torch.manual_seed(1)
    return {"": {f"module.{name}": value for name, value in ArcFaceResNet18().state_dict().items()}}


def has_gradients(module: nn.Module) -> bool:
    return any(parameter.grad is not None for parameter in module.parameters())


def weights_of(terms: Mapping[str, Term]) -> dict[str, float]:
    return {name: term.weight for name, term in terms.items()}


def test_the_generator_comes_first_and_the_discriminator_sees_detached_fakes() -> None:
    recipe, batch = build_recipe(), Pairs().batch(1)
    assert [player.name for player in recipe.players] == ["generator", "discriminator"]
    assert recipe.average == {"generator": OFF.average}
    shared = recipe(batch, 1)
    terms = recipe.losses("discriminator", batch, shared, 1)
    terms["d"].value.backward()
    assert has_gradients(recipe.networks["discriminator"])
    assert not has_gradients(recipe.networks["generator"])
    judge, fake = recipe.networks["discriminator"], shared["restored"]
    with torch.no_grad():
        expected = F.softplus(-judge(batch.gt * 2 - 1)).mean() + F.softplus(judge(fake)).mean()
    torch.testing.assert_close(terms["d"].value.detach(), expected)


def test_the_generator_s_terms() -> None:
    recipe, batch = build_recipe(), Pairs().batch(1)
    shared = recipe(batch, 1)
    terms = recipe.losses("generator", batch, shared, 1)
    assert weights_of(terms) == {"l1": 0.1, "pyramid": 1, "adv": 0.1}
    torch.testing.assert_close(terms["l1"].value, (shared["restored"] - (batch.gt * 2 - 1)).abs().mean())
    logits = recipe.networks["discriminator"](shared["restored"])
    torch.testing.assert_close(terms["adv"].value, F.softplus(-logits).mean())
    assert [image.shape[-1] for image in shared["pyramid"]] == [8, 16, 32]


def test_the_pyramid_term_ends() -> None:
    recipe, batch = build_recipe(OFF.model_copy(update={"pyramid_until": 5})), Pairs().batch(0)
    shared = recipe(batch, 0)
    supervised = [step for step in range(8) if "pyramid" in recipe.losses("generator", batch, shared, step)]
    assert supervised == [0, 1, 2, 3, 4]


def test_r1_comes_every_few_steps_with_the_lazy_factor() -> None:
    recipe, batch = build_recipe(), Pairs().batch(0)
    shared = recipe(batch, 0)
    terms = {step: recipe.losses("discriminator", batch, shared, step) for step in (0, 1, 15, 16)}
    assert [step for step, found in terms.items() if "r1" in found] == [0, 16]
    assert terms[16]["r1"].weight == 10 / 2 * 16
    real = (batch.gt * 2 - 1).requires_grad_()
    (gradient,) = torch.autograd.grad(recipe.networks["discriminator"](real).sum(), real)
    torch.testing.assert_close(terms[16]["r1"].value.detach(), gradient.square().sum((1, 2, 3)).mean())


@pytest.mark.parametrize("fix_decoder", [True, False])
def test_a_fixed_decoder_keeps_the_prior_s_weights(fix_decoder: bool, tmp_path: Path) -> None:
    training = Training(perceptual="prior_discriminator", fix_decoder=fix_decoder, r1_every=2)
    recipe = build_recipe(training)
    before = copy.deepcopy(recipe.networks["generator"].state_dict())
    fitted = fit(recipe, Pairs(), Budget(iterations=3, batch_size=2), tmp_path, seed=0)
    decoder = "stylegan_decoder."
    for state in (recipe.networks["generator"].state_dict(), fitted.weights["generator"]):
        kept = {name for name, value in state.items() if torch.equal(value, before[name])}
        trained = {name for name in before if not name.startswith(decoder) and name not in kept}
        assert {name for name in before if name.startswith(decoder)} <= kept or not fix_decoder
        assert fix_decoder or f"{decoder}style_convs.0.modulated_conv.weight" not in kept
        assert "conv_body_first.weight" in trained
    expected = clean_state(prior_weights()["generator"])
    assert all(torch.equal(before[decoder + name], value) for name, value in expected.items())


def test_every_component_has_a_player_after_the_discriminator() -> None:
    players = build_recipe(COMPONENTS).players
    assert [player.name for player in players] == ["generator", "discriminator", "left_eye", "right_eye", "mouth"]
    assert all(player.optim == COMPONENTS.component_optim for player in players[2:])
    assert set(build_recipe().networks) == {"generator", "discriminator"}


def test_component_terms_by_hand() -> None:
    recipe, batch = build_recipe(COMPONENTS), Pairs().batch(1)
    shared = recipe(batch, 1)
    terms = recipe.losses("generator", batch, shared, 1)
    parts = {"adv_left_eye": 1, "adv_right_eye": 1, "adv_mouth": 1, "component_style": 200}
    assert weights_of(terms) == {"l1": 0.1, "pyramid": 1, "adv": 0.1, **parts}
    style = torch.zeros(())
    for part in ("left_eye", "right_eye", "mouth"):
        judge, real, fake = recipe.networks[part], shared["gt_parts"][part], shared["restored_parts"][part]
        torch.testing.assert_close(terms[f"adv_{part}"].value, F.softplus(-judge(fake)).mean())
        found, wanted = judge.discriminate(fake)[1], judge.discriminate(real)[1]  # type: ignore[operator]
        grams = [(gram_matrix(a) - gram_matrix(b)).abs().mean() for a, b in zip(found, wanted, strict=True)]
        style = style + 0.5 * grams[0] + grams[1]
        d = recipe.losses(part, batch, shared, 1)["d"]
        assert d.weight == 1
        torch.testing.assert_close(d.value, F.softplus(-judge(real)).mean() + F.softplus(judge(fake)).mean())
    torch.testing.assert_close(terms["component_style"].value, style)


def test_a_component_s_player_moves_nothing_else() -> None:
    recipe, batch = build_recipe(COMPONENTS), Pairs().batch(1)
    recipe.losses("mouth", batch, recipe(batch, 1), 1)["d"].value.backward()
    assert [name for name, network in recipe.networks.items() if has_gradients(network)] == ["mouth"]


def test_identity_compares_embeddings_of_grey_faces() -> None:
    torch.manual_seed(1)
    embed = ArcFaceResNet18().eval()
    loss = GreyIdentityLoss(released_state()[""]).train()
    restored, gt = draw(2, 3, SIZE, SIZE).requires_grad_(), draw(2, 3, SIZE, SIZE, seed=1)
    value = loss(restored, gt)
    grey = [F.interpolate((image * torch.tensor([0.2989, 0.587, 0.114]).view(3, 1, 1)).sum(1, keepdim=True),
                          size=(128, 128), mode="bilinear") for image in (restored, gt)]  # fmt: skip
    torch.testing.assert_close(value, (embed(grey[0]) - embed(grey[1])).abs().mean())
    value.backward()
    assert restored.grad is not None
    assert list(loss.parameters()) == []


def test_the_identity_term_is_weighted() -> None:
    (stage,) = build_method(OFF.model_copy(update={"identity_weight": 10})).stages()
    recipe, batch = stage.recipe({"prior": prior_weights(), GREY_ARCFACE: released_state()}), Pairs().batch(1)
    shared = recipe(batch, 1)
    term = recipe.losses("generator", batch, shared, 1)["identity"]
    assert term.weight == 10
    assert term.value > 0


@pytest.mark.slow
def test_twenty_steps_follow_the_pinned_curve(train, curves, pinned) -> None:
    found = curves(train(build_recipe(SLOW), SIZE))
    golden = pinned("gfpgan", "curves", found)
    assert {name: len(curve) for name, curve in found.items()} == {
        "generator/l1": 20, "generator/pyramid": 20, "generator/adv": 20, "generator/adv_left_eye": 20,
        "generator/adv_right_eye": 20, "generator/adv_mouth": 20, "generator/component_style": 20,
        "discriminator/d": 20, "discriminator/r1": 5, "left_eye/d": 20, "right_eye/d": 20, "mouth/d": 20,
    }  # fmt: skip
    for name, curve in found.items():
        assert curve == pytest.approx(golden[name], rel=0.02, abs=1e-5), name


@pytest.mark.parametrize("scale", [1, 8])
def test_a_smaller_input_is_enlarged_in_training_as_in_restoring(scale: int) -> None:
    recipe, batch = build_recipe(), Pairs(scale).batch(0)
    fed: list[Tensor] = []
    generator = recipe.networks["generator"]
    generator.conv_body_first.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))  # type: ignore[union-attr]
    assert recipe(batch, 0)["restored"].shape == batch.gt.shape
    with torch.no_grad():
        assert recipe.restore(batch.lq).shape == batch.gt.shape
    assert torch.equal(fed[0], fed[1])
    if scale == 1:
        torch.testing.assert_close(fed[0], batch.lq * 2 - 1)


# ---- the method ----


def test_notes_list_what_is_off() -> None:
    def note(perceptual: str) -> str:
        (text,) = build_method(Training.model_validate({"perceptual": perceptual})).notes()
        return text

    for perceptual in ("vgg19", "prior_discriminator", "off"):
        assert note(perceptual).startswith(
            "trained without: facial component discriminators (need face boxes); identity loss"
        )
    assert "VGG19" not in note("vgg19")
    assert note("off").endswith("VGG19 perceptual and style losses")
    assert note("prior_discriminator").endswith("in its place a distance of prior_discriminator features")


def test_notes_say_nothing_where_all_is_on() -> None:
    assert build_method(WHOLE).notes() == ()
    assert build_method(WHOLE.model_copy(update={"components": "aligned"})).notes() == (
        "eyes and mouth looked for where an average FFHQ face has them",
    )


def test_parts_that_are_on_need_their_files() -> None:
    (stage,) = build_method(WHOLE).stages()
    assert stage.needs == ("prior", "vgg19", "arcface_resnet18", "face_boxes")
    assert all(find(name).licence for name in stage.needs[1:])


@pytest.mark.parametrize("budget", [{"patch": 16}, {"flips": ("vertical",)}])
def test_components_need_whole_upright_faces(budget: dict[str, Any]) -> None:
    config = GFPGANConfig(training=COMPONENTS, budget=Budget(iterations=1, **budget))
    assert "whole upright faces" in str(GFPGAN(config, TASK, {"prior": build_prior()}).unsupported())
    off = config.model_copy(update={"training": OFF})
    assert GFPGAN(off, TASK, {"prior": build_prior()}).unsupported() is None


def test_the_stage_needs_vgg19_only_where_it_is_compared() -> None:
    needs = {choice: build_method(Training.model_validate({"perceptual": choice})).stages()[0].needs
             for choice in ("vgg19", "prior_discriminator", "off")}  # fmt: skip
    assert needs == {"vgg19": ("prior", "vgg19"), "prior_discriminator": ("prior",), "off": ("prior",)}


def test_a_prior_without_its_discriminator_is_named() -> None:
    (stage,) = build_method(Training(perceptual="prior_discriminator")).stages()
    with pytest.raises(CheckpointMismatch, match="GFP-GAN prior's discriminator: "):
        stage.recipe({"prior": {"generator": prior_weights()["generator"]}})


def test_a_peer_that_is_no_prior_is_refused() -> None:
    other = BicubicMethod(BicubicConfig(), TASK, {})
    assert GFPGAN(GFPGANConfig(prior="bicubic"), TASK, {"prior": other}).unsupported() == (
        "prior: 'bicubic' is no generative prior"
    )
    assert build_method().unsupported() is None


@torch.no_grad()
def test_released_weights_restore_in_0_1() -> None:
    method, lq = build_method(), Pairs().batch(0).lq
    network = method.network().eval()
    weights = method.adopt("restoration", {"params": {"stray": lq}, "params_ema": network.state_dict()})
    restorer = method.restorer({"restoration": weights})
    assert isinstance(restorer, GFPGANRestorer)
    assert not restorer.training
    restored = restorer(lq)
    torch.testing.assert_close(restored, (network.restore(lq * 2 - 1, noise="stored")[0] + 1) / 2)
    assert torch.equal(restored, restorer(lq))
    with pytest.raises(CheckpointMismatch, match="GFP-GAN: this checkpoint does not fit"):
        method.adopt("restoration", {"params_ema": build_prior().network().state_dict()})
