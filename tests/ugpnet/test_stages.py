"""UGPNet's three trainings: who learns what on which step, and twenty steps of each.

`python tests/ugpnet/test_stages.py` pins the loss curves anew.
"""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.parity.oracle import draw_weight, make_input
from ugpnet.augmentation import augment_together
from ugpnet.config import GeneratorConfig, RegressorConfig, UGPNetConfig
from ugpnet.features import RandomFeatures
from ugpnet.losses.patch_contextual import PatchContextualLoss
from ugpnet.losses.perceptual import FeatureDistance
from ugpnet.losses.selection import Contextual, Perceptual
from ugpnet.model import UGPNet
from ugpnet.nn.discriminator import StyleGAN2Discriminator
from ugpnet.nn.tap import Tap
from ugpnet.recipe import Batch, Optim, Recipe, Term
from ugpnet.regression import RegressionRecipe
from ugpnet.settings import FusionTraining, RegressionTraining, SynthesisTraining
from ugpnet.stages import FusionRecipe, SynthesisRecipe

GOLDENS = Path(__file__).parents[1] / "goldens" / "ugpnet_stages.json"
STEPS = 20
RANDOM = Perceptual(features="random")
SYNTHESIS = SynthesisTraining(perceptual=RANDOM, r1_every=4)
FUSION = FusionTraining(perceptual=RANDOM, contextual=Contextual(features="random", patch=16))

CONFIG = UGPNetConfig(
    regressor=RegressorConfig(
        name="nafnet", arguments={"width": 4, "middle_blk_num": 1, "enc_blk_nums": (1,), "dec_blk_nums": (1,)}
    ),
    generator=GeneratorConfig(out_size=32, num_style_feat=6, num_mlp=1, narrow=1 / 64),
    spatial_size=8,
    narrow=1 / 64,
    channels=8,
    fusion_blocks=1,
)


class Normed(nn.Module):
    """A regressor whose statistics would move in training mode."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.norm = nn.Conv2d(3, 5, 3, padding=1), nn.BatchNorm2d(5)
        self.tail = nn.Conv2d(5, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        restored: Tensor = self.tail(self.norm(self.body(x)).relu())
        return restored


def fill(network: nn.Module) -> None:
    """Weights that do not depend on torch's generator: equalised ones of unit variance, whose biases are constants."""
    for name, value in network.state_dict().items():
        equalised = isinstance(network, StyleGAN2Discriminator) or name.startswith("synthesis.generator.")
        if value.is_floating_point() and (value.ndim > 1 or not equalised):
            gain = math.sqrt(math.prod(value.shape[1:])) if equalised else 1.0
            value.copy_(draw_weight(name, value.shape, seed=0, gain=gain))


def build_model(config: UGPNetConfig = CONFIG, regressor: nn.Module | None = None) -> UGPNet:
    model = UGPNet(config, regressor)
    fill(model)
    return model


def normed_model() -> UGPNet:
    return build_model(regressor=Tap(Normed(), make_input((1, 3, 32, 32), 0)))


def restoration_recipe() -> RegressionRecipe:
    return RegressionRecipe(build_model().restoration, RegressionTraining(optim=Optim(lr=1e-3)))


def synthesis_recipe(model: UGPNet | None = None, training: SynthesisTraining = SYNTHESIS) -> SynthesisRecipe:
    model = model or build_model()
    discriminator = StyleGAN2Discriminator(32, narrow=1 / 64)
    fill(discriminator)
    perceptual = FeatureDistance(RandomFeatures(0, (4, 8)))
    return SynthesisRecipe(model.restoration, model.synthesis, discriminator, perceptual, training)


def fusion_recipe(model: UGPNet | None = None, training: FusionTraining = FUSION) -> FusionRecipe:
    contextual = PatchContextualLoss(RandomFeatures(0, (4, 8), ("level1",)), patch=training.contextual.patch)
    perceptual = FeatureDistance(RandomFeatures(0, (4, 8)))
    return FusionRecipe(model or build_model(), perceptual, contextual, training)


def make_batch(step: int) -> Batch:
    """Smooth ground truth under noise."""
    gt = F.interpolate(make_input((2, 3, 4, 4), step), size=(32, 32), mode="bilinear")
    lq = gt + make_input((2, 3, 32, 32), 1000 + step, -0.2, 0.2)
    return Batch(lq, gt, torch.Generator().manual_seed(step))


def objective(terms: Mapping[str, Term]) -> Tensor:
    return torch.stack([term.weight * term.value for term in terms.values()]).sum()


def train(recipe: Recipe, steps: int) -> dict[str, list[float]]:
    """Every player's objective by step, in a plain loop."""
    recipe.train()
    optimisers = {player.name: make_optimiser(recipe, player.name) for player in recipe.players}
    curves: dict[str, list[float]] = {name: [] for name in optimisers}
    for step in range(steps):
        batch = make_batch(step)
        shared = recipe(batch, step)
        for player in recipe.players:
            for name in recipe.networks:
                recipe.networks[name].requires_grad_(name in player.networks)
            total = objective(recipe.losses(player.name, batch, shared, step))
            optimisers[player.name].zero_grad()
            total.backward()
            optimisers[player.name].step()
            curves[player.name].append(total.item())
    return curves


def make_optimiser(recipe: Recipe, player: str) -> torch.optim.Optimizer:
    (found,) = [other for other in recipe.players if other.name == player]
    assert isinstance(found.optim, Optim)
    parameters = [parameter for name in found.networks for parameter in recipe.networks[name].parameters()]
    return torch.optim.Adam(parameters, lr=found.optim.lr, betas=found.optim.betas)


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return copy.deepcopy(module.state_dict())


def moved(module: nn.Module, before: Mapping[str, Tensor]) -> set[str]:
    return {name for name, value in module.state_dict().items() if not torch.equal(value, before[name])}


def has_gradients(module: nn.Module) -> bool:
    return any(parameter.grad is not None for parameter in module.parameters())


# ---- the three curves ----

RECIPES: dict[str, Callable[[], Recipe]] = {
    "restoration": restoration_recipe,
    "synthesis": synthesis_recipe,
    "fusion": fusion_recipe,
}


@pytest.mark.parametrize("name", list(RECIPES))
def test_twenty_steps_follow_the_pinned_curve(name: str) -> None:
    golden: dict[str, Any] = json.loads(GOLDENS.read_text())
    curves = train(RECIPES[name](), STEPS)
    assert list(curves) == list(golden[name])
    for player, curve in curves.items():
        assert curve == pytest.approx(golden[name][player], rel=2e-3), player


# ---- synthesis ----


def test_the_discriminator_comes_first_and_on_detached_fakes() -> None:
    recipe, batch = synthesis_recipe(), make_batch(1)
    recipe.train()
    assert [player.name for player in recipe.players] == ["discriminator", "synthesis"]
    synthesis, discriminator = recipe.networks["synthesis"], recipe.networks["discriminator"]
    shared = recipe(batch, 1)
    terms = recipe.losses("discriminator", batch, shared, 1)
    with torch.no_grad():
        expected = F.softplus(-discriminator(shared["gt"])).mean() + F.softplus(discriminator(shared["x_syn"])).mean()
    torch.testing.assert_close(terms["d"].value, expected)
    objective(terms).backward()
    assert has_gradients(discriminator)
    assert not has_gradients(synthesis)
    objective(recipe.losses("synthesis", batch, shared, 1)).backward()
    assert has_gradients(synthesis)


def test_the_synthesis_objective_is_equation_2() -> None:
    recipe, batch = synthesis_recipe(), make_batch(1)
    shared = recipe(batch, 1)
    terms = recipe.losses("synthesis", batch, shared, 1)
    assert {name: term.weight for name, term in terms.items()} == {
        "l1": 1.0, "feature_distance(random)": SYNTHESIS.lambda_per, "adv": SYNTHESIS.lambda_adv
    }  # fmt: skip
    x_syn, gt = shared["x_syn"], shared["gt"]
    torch.testing.assert_close(terms["l1"].value, (x_syn - gt).abs().mean())
    torch.testing.assert_close(terms["feature_distance(random)"].value, recipe.perceptual(x_syn, gt))
    logits = recipe.networks["discriminator"](x_syn)
    torch.testing.assert_close(terms["adv"].value, F.softplus(-logits).mean())


@pytest.mark.parametrize("augment", [False, True])
def test_augmentation_moves_input_and_ground_truth_together(augment: bool) -> None:
    recipe = synthesis_recipe(training=SYNTHESIS.model_copy(update={"augment": augment}))
    batch, seen = make_batch(5), []
    recipe.networks["synthesis"].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    shared = recipe(batch, 1)
    pair = recipe.restoration(batch.lq), batch.gt
    x_reg, gt = augment_together(pair, 1, make_batch(5).generator) if augment else pair
    assert torch.equal(seen[0], x_reg)
    assert torch.equal(shared["gt"], gt)
    assert torch.equal(gt, batch.gt) == (not augment)


def test_batch_norm_sees_every_batch_once_and_only_the_encoder_s() -> None:
    recipe = synthesis_recipe(normed_model())
    before = snapshot(recipe.restoration)
    train(recipe, 3)
    counts = {name: int(value) for name, value in recipe.state_dict().items() if name.endswith("num_batches_tracked")}
    assert {count for name, count in counts.items() if name.startswith("networks.synthesis.fencoder")} == {3}
    assert {count for name, count in counts.items() if name.startswith("restoration")} == {0}
    assert not moved(recipe.restoration, before)


def test_restoration_is_frozen_in_training_mode_too() -> None:
    recipe = synthesis_recipe(normed_model())
    recipe.train()
    assert recipe.networks["synthesis"].training
    assert not any(module.training for module in recipe.restoration.modules())
    assert not any(parameter.requires_grad for parameter in recipe.restoration.parameters())
    assert not recipe(make_batch(0), 0)["gt"].requires_grad


def test_r1_comes_every_few_steps_with_the_lazy_factor() -> None:
    training = SynthesisTraining(perceptual=RANDOM, augment=False)  # R1 weight 10, every 10th step
    recipe, batch = synthesis_recipe(training=training), make_batch(0)
    shared = recipe(batch, 0)
    terms = {step: recipe.losses("discriminator", batch, shared, step) for step in (0, 1, 9, 10, 20)}
    assert [step for step, found in terms.items() if "r1" in found] == [0, 10, 20]
    assert terms[10]["r1"].weight == 10 / 2 * 10
    real = batch.gt.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(recipe.networks["discriminator"](real).sum(), real)
    torch.testing.assert_close(terms[10]["r1"].value, gradient.square().sum((1, 2, 3)).mean())
    off = synthesis_recipe(training=training.model_copy(update={"r1_weight": 0.0}))
    assert set(off.losses("discriminator", batch, shared, 0)) == {"d"}


def test_the_discriminator_is_fed_its_own_range() -> None:
    training = SYNTHESIS.model_copy(update={"discriminator_range": (-1.0, 1.0), "augment": False})
    recipe, batch = synthesis_recipe(training=training), make_batch(0)
    fed: list[Tensor] = []
    recipe.networks["discriminator"].register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))
    shared = recipe(batch, 1)
    recipe.losses("discriminator", batch, shared, 1)
    torch.testing.assert_close(fed[0], batch.gt * 2 - 1)
    torch.testing.assert_close(fed[1], shared["x_syn"] * 2 - 1)


@torch.no_grad()
def test_synthesis_restores_to_x_syn() -> None:
    model = normed_model().eval()
    recipe = synthesis_recipe(model).eval()
    lq = make_batch(0).lq
    assert torch.equal(recipe.restore(lq), model.parts(lq).x_syn)


# ---- fusion ----


@pytest.mark.parametrize("fuse", ["features", "images"])
def test_only_the_fusion_module_learns(fuse: str) -> None:
    regressor = Tap(Normed(), make_input((1, 3, 32, 32), 0))
    model = build_model(CONFIG.model_copy(update={"fuse": fuse}), regressor)
    recipe = fusion_recipe(model)
    before = snapshot(model)
    train(recipe, 2)
    assert moved(model, before) == {name for name in before if name.startswith("fusion.")}
    assert not has_gradients(model.restoration)
    assert not has_gradients(model.synthesis)
    assert not model.restoration.training
    assert not model.synthesis.training
    assert model.fusion.training
    with torch.no_grad():
        assert torch.equal(recipe.restore(make_batch(0).lq), model.eval()(make_batch(0).lq))


def test_the_fusion_objective_is_equation_3() -> None:
    recipe, batch = fusion_recipe(), make_batch(0)
    shared = recipe(batch, 0)
    terms = recipe.losses("fusion", batch, shared, 0)
    assert {name: term.weight for name, term in terms.items()} == {
        "l1": 1.0, "feature_distance(random)": FUSION.lambda_per, "contextual": FUSION.lambda_cf
    }  # fmt: skip
    x_hat, x_syn = shared["x_hat"], shared["x_syn"]
    assert not x_syn.requires_grad
    torch.testing.assert_close(terms["l1"].value, (x_hat - batch.gt).abs().mean())
    torch.testing.assert_close(terms["feature_distance(random)"].value, recipe.perceptual(x_hat, batch.gt))
    torch.testing.assert_close(terms["contextual"].value, recipe.contextual(x_hat, x_syn))


@pytest.mark.parametrize(("weights", "names"), [
    ({"lambda_per": 0.0}, {"l1", "contextual"}),
    ({"lambda_cf": 0.0}, {"l1", "feature_distance(random)"}),
    ({"lambda_per": 0.0, "lambda_cf": 0.0}, {"l1"}),
    ({"perceptual": Perceptual()}, {"l1", "lpips", "contextual"}),
])  # fmt: skip
def test_losses_are_named_as_configured(weights: dict[str, Any], names: set[str]) -> None:
    recipe, batch = fusion_recipe(training=FUSION.model_copy(update=weights)), make_batch(0)
    assert set(recipe.losses("fusion", batch, recipe(batch, 0), 0)) == names


if __name__ == "__main__":
    torch.set_num_threads(1)
    GOLDENS.write_text(json.dumps({name: train(build(), STEPS) for name, build in RECIPES.items()}, indent=1) + "\n")
