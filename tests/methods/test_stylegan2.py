"""StyleGAN2 as a prior: its recipe's steps, its samples, its released files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench.train.execution import Execution
from bench.train.loop import Fitted, Progress, fit
from methods.base import Task
from methods.recipes.stylegan2 import StyleGAN2Recipe
from methods.stylegan2 import EMA, Architecture, StyleGAN2, StyleGAN2Config, Training
from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.recipe import Batch, Budget, Weights

SIZE = 16
NARROW = Architecture(num_style_feat=6, num_mlp=1, channel_multiplier=1, narrow=1 / 64)


def build_prior(training: Training = Training()) -> StyleGAN2:
    torch.manual_seed(0)
    return StyleGAN2(StyleGAN2Config(architecture=NARROW, training=training), Task("prior", 1, SIZE), {})


def build_recipe(training: Training = Training()) -> StyleGAN2Recipe:
    (stage,) = build_prior(training).stages()
    recipe = stage.recipe({})
    assert isinstance(recipe, StyleGAN2Recipe)
    return recipe


class Images:
    """Ground truth alone."""

    def batch(self, step: int) -> Batch:
        images = torch.rand(4, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(step))
        return Batch(images, images, torch.Generator().manual_seed(100 + step))


def has_gradients(module: nn.Module) -> bool:
    return any(parameter.grad is not None for parameter in module.parameters())


def test_the_stage_reads_images_and_leaves_an_averaged_generator() -> None:
    (stage,) = build_prior().stages()
    assert (stage.name, stage.data, stage.needs) == ("prior", "images", ())
    recipe = build_recipe()
    assert [player.name for player in recipe.players] == ["discriminator", "generator"]
    assert recipe.average == {"generator": EMA}
    assert pytest.approx(0.5) == EMA ** (10_000 / 32)


def test_regularisers_come_on_their_own_steps_with_the_lazy_factor() -> None:
    recipe, batch = build_recipe(Training(r1_every=3, path_every=2)), Images().batch(0)
    r1, path = ([step for step in range(7) if name in recipe.losses(player, batch, {}, step)]
                for player, name in (("discriminator", "r1"), ("generator", "path")))  # fmt: skip
    assert r1 == [0, 3, 6]
    assert path == [0, 2, 4, 6]
    assert recipe.losses("discriminator", batch, {}, 3)["r1"].weight == 10 / 2 * 3
    assert recipe.losses("generator", batch, {}, 2)["path"].weight == 2 * 2
    off, without = build_recipe(Training(r1_weight=0, path_weight=0)), ({"d"}, {"g"})
    assert tuple(set(off.losses(player, batch, {}, 0)) for player in ("discriminator", "generator")) == without


def test_the_released_rhythm_is_sixteen_and_four() -> None:
    training = Training()
    assert (training.r1_every, training.path_every, training.r1_weight, training.path_weight) == (16, 4, 10, 2)


def test_r1_is_the_gradient_at_the_real_images() -> None:
    recipe, batch = build_recipe(), Images().batch(0)
    real = (batch.gt * 2 - 1).requires_grad_()
    (gradient,) = torch.autograd.grad(recipe.networks["discriminator"](real).sum(), real)
    found = recipe.losses("discriminator", batch, {}, 0)["r1"].value.detach()
    torch.testing.assert_close(found, gradient.square().sum((1, 2, 3)).mean())


def test_path_length_moves_its_mean_on_its_steps_only() -> None:
    recipe, batch = build_recipe(), Images().batch(0)
    recipe.losses("generator", batch, {}, 1)
    assert recipe.path_length.mean_length == 0
    terms = recipe.losses("generator", batch, {}, 4)
    assert recipe.path_length.mean_length > 0
    (terms["path"].weight * terms["path"].value).backward()
    assert has_gradients(recipe.networks["generator"])


def test_the_discriminator_sees_images_in_minus_1_1_and_leaves_the_generator_alone() -> None:
    recipe, batch = build_recipe(), Images().batch(1)
    fed: list[Tensor] = []
    judge = recipe.networks["discriminator"]
    judge.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))
    terms = recipe.losses("discriminator", batch, {}, 1)
    real, fake = fed
    assert torch.equal(real, batch.gt * 2 - 1)
    assert real.min() < -0.9
    assert fake.shape == real.shape
    with torch.no_grad():
        expected = F.softplus(-judge(real)).mean() + F.softplus(judge(fake)).mean()
    torch.testing.assert_close(terms["d"].value.detach(), expected)
    terms["d"].value.backward()
    assert has_gradients(judge)
    assert not has_gradients(recipe.networks["generator"])


def test_the_generator_s_loss_is_the_non_saturating_one_on_fresh_fakes() -> None:
    recipe, batch = build_recipe(Training(mixing=0.0)), Images().batch(1)
    fed: list[Tensor] = []
    judge = recipe.networks["discriminator"]
    judge.register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))
    terms = [recipe.losses("generator", batch, {}, 1)["g"] for _ in range(2)]
    assert not torch.equal(fed[0], fed[1])
    torch.testing.assert_close(terms[0].value.detach(), F.softplus(-judge(fed[0])).mean().detach())


@pytest.mark.parametrize(("mixing", "mixed"), [(0.0, False), (1.0, True)])
def test_mixing_gives_two_latents_to_one_image(mixing: float, mixed: bool) -> None:
    recipe, batch = build_recipe(Training(mixing=mixing)), Images().batch(0)
    _, latents = recipe._synthesise(3, batch)
    assert latents.shape == (3, 6, NARROW.num_style_feat)
    assert torch.equal(latents, latents[:, :1].expand_as(latents)) != mixed


def test_a_prior_restores_nothing() -> None:
    with pytest.raises(TypeError, match="restores nothing"):
        build_recipe().restore(torch.rand(1, 3, SIZE, SIZE))


def test_both_networks_train_and_the_generator_is_averaged(tmp_path: Path) -> None:
    recipe = build_recipe(Training(average=0.5, r1_every=2, path_every=2))
    before = {name: value.clone() for name, value in recipe.networks.state_dict().items()}
    fitted = fit(recipe, Images(), Budget(iterations=2, batch_size=4), tmp_path, seed=0)
    after = recipe.networks.state_dict()
    for name in ("generator.style_convs.0.modulated_conv.weight", "discriminator.final_conv.0.weight"):
        assert not torch.equal(before[name], after[name])
    name = "style_convs.0.modulated_conv.weight"
    averaged, last = fitted.weights["generator"][name], after[f"generator.{name}"]
    assert not torch.equal(averaged, last)
    assert (averaged - last).norm() < (before[f"generator.{name}"] - last).norm()
    assert set(fitted.weights) == {"generator", "discriminator"}


# ---- few images ----


def seen(recipe: StyleGAN2Recipe) -> list[Tensor]:
    """What the discriminator is given from now on."""
    fed: list[Tensor] = []
    recipe.networks["discriminator"].register_forward_pre_hook(lambda _, inputs: fed.append(inputs[0]))
    return fed


def test_all_that_the_discriminator_sees_is_augmented() -> None:
    """Holes in real, fake and R1's images, each set of them with draws of its own, and in the generator's."""
    recipe, batch = build_recipe(Training(augment=("cutout",))), Images().batch(0)
    fed = seen(recipe)
    recipe.losses("discriminator", batch, {}, 0)
    recipe.losses("generator", batch, {}, 1)
    holes = [(images == 0).all(1) for images in fed]
    assert [hole.any(2).any(1).tolist() for hole in holes] == [[True] * 4] * 4
    assert not any(torch.equal(one, other) for one, other in zip(holes, holes[1:], strict=False))
    assert not torch.equal(holes[0], holes[2])
    for images, hole in ((fed[0], holes[0]), (fed[2], holes[2])):
        assert torch.equal(images, torch.where(hole[:, None], 0, batch.gt * 2 - 1))


def test_r1_under_augmentation_is_the_gradient_through_it() -> None:
    recipe, batch = build_recipe(Training(augment=("translation", "cutout"))), Images().batch(0)
    fed = seen(recipe)
    terms = recipe.losses("discriminator", batch, {}, 0)
    at = fed[2].detach().requires_grad_()
    (gradient,) = torch.autograd.grad(recipe.networks["discriminator"](at).sum(), at)
    # Pixels in a hole or from outside the image depend on no pixel of it.
    expected = torch.where((at == 0).all(1, keepdim=True), 0, gradient).square().sum((1, 2, 3)).mean()
    torch.testing.assert_close(terms["r1"].value.detach(), expected)
    terms["r1"].value.backward()
    assert has_gradients(recipe.networks["discriminator"])
    assert batch.gt.grad is None


def test_the_generator_learns_through_the_augmentation() -> None:
    recipe = build_recipe(Training(augment=("color", "translation", "cutout")))
    recipe.losses("generator", Images().batch(1), {}, 1)["g"].value.backward()
    generator = recipe.networks["generator"]
    for name in ("constant_input.weight", "to_rgbs.1.modulated_conv.weight", "style_mlp.1.weight"):
        gradient = generator.get_parameter(name).grad
        assert gradient is not None
        assert gradient.abs().sum() > 0, name


def test_an_augmented_training_resumes_to_the_same_bits(tmp_path: Path) -> None:
    def train(folder: str, steps: int, stop: int | None = None) -> Fitted:
        def on_step(now: Progress) -> None:
            if now.step == stop:
                raise InterruptedError

        recipe = build_recipe(Training(augment=("color", "translation", "cutout"), r1_every=2, path_every=2))
        execution = Execution(device="cpu", checkpoint_every=1, log_every=1)
        budget = Budget(iterations=steps, batch_size=4)
        return fit(recipe, Images(), budget, tmp_path / folder, seed=0, execution=execution, on_step=on_step)

    whole = train("whole", 5)
    with pytest.raises(InterruptedError):
        train("stopped", 5, stop=3)
    resumed = train("stopped", 5)
    assert resumed.log == whole.log
    for name, state in whole.weights.items():
        assert all(torch.equal(value, resumed.weights[name][key]) for key, value in state.items())


# ---- samples and files ----


def trained(prior: StyleGAN2) -> dict[str, Weights]:
    return {"prior": {"generator": prior.network().state_dict()}}


@pytest.mark.parametrize("count", [1, 16, 18])
def test_samples_are_as_many_as_asked(count: int) -> None:
    prior = build_prior()
    images = torch.cat(list(prior.sample(trained(prior), count, torch.Generator().manual_seed(0))))
    assert images.shape == (count, 3, SIZE, SIZE)
    assert not images.requires_grad
    assert 0 < images.mean() < 1


def test_samples_are_those_of_the_generator() -> None:
    prior = build_prior()
    weights = trained(prior)

    def sample(seed: int) -> Tensor:
        return torch.cat(list(prior.sample(weights, 3, torch.Generator().manual_seed(seed))))

    assert torch.equal(sample(0), sample(0))
    assert not torch.equal(sample(0), sample(1))
    network, generator = prior.network(), torch.Generator().manual_seed(0)
    network.load_state_dict(dict(weights["prior"]["generator"]))
    with torch.no_grad():
        image = network(torch.randn(3, 6, generator=generator), generator=generator)
    assert isinstance(image, Tensor)
    torch.testing.assert_close(sample(0), (image + 1) / 2)


def test_a_released_file_is_adopted_by_its_average() -> None:
    prior = build_prior()
    averaged = prior.network().state_dict()
    adopted = prior.adopt("prior", {"params": {"stray": torch.zeros(1)}, "params_ema": averaged, "epoch": 3})
    assert list(adopted) == ["generator"]
    assert all(torch.equal(value, averaged[name]) for name, value in adopted["generator"].items())
    assert set(adopted["generator"]) == set(averaged)
    assert len(list(prior.sample({"prior": adopted}, 1, torch.Generator()))) == 1
    with pytest.raises(CheckpointMismatch, match="StyleGAN2: this checkpoint does not fit"):
        prior.adopt("prior", {"params_ema": prior.discriminator().state_dict()})


def test_twenty_steps_follow_the_pinned_curve(train, curves, pinned) -> None:
    found = curves(train(build_recipe(Training(r1_every=4, path_every=4)), SIZE))
    golden = pinned("stylegan2", "curves", found)
    assert found.keys() == golden.keys()
    for name, curve in found.items():
        assert curve == pytest.approx(golden[name], rel=0.02, abs=1e-3), name
