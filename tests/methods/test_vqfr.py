"""VQFR, both versions: released keys, the dictionary, who learns what and when, twenty steps of every training."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn
from torchvision.models import vgg16

from bench.parity.oracle import draw_weight, make_input
from bench.train.execution import Execution
from bench.train.loop import fit
from methods.base import Task, Upstream
from methods.losses.style import UnitStyleLoss
from methods.networks.texture_warping import ModulatedDeformConv
from methods.networks.vq_codebook import Reservoir, VectorQuantizer, kmeans
from methods.networks.vqfr_discriminators import PatchDiscriminator, SWADiscriminator
from methods.networks.vqfr_v2 import VQFRv2
from methods.networks.wavelets import HaarTransform, InverseHaarTransform
from methods.recipes.vqfr_codebook import CodebookRecipe
from methods.recipes.vqfr_config import VQFRPerceptual
from methods.recipes.vqfr_restoration import RestorationRecipe
from methods.recipes.vqfr_terms import Likeness, adaptive_weight
from methods.vqfr import VQFRConfig, VQFRMethod
from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.features import RandomFeatures
from ugpnet.recipe import Batch, Budget, Recipe, Term

SIZE = 32
TASK = Task("deblur", 1, SIZE)
VERSIONS = ["v1", "v2"]
STAGES = ["codebook", "restoration"]

RANDOM = {"features": "random"}
JUDGE = {"channel_multiplier": 1, "narrow": 1 / 64}
LOCAL_JUDGE = {**JUDGE, "local_layers": 2, "local_width": 4}
WIDTHS = {"base_channels": 8, "channel_multipliers": (1, 1, 2), "num_code": 12, "code_dim": 6, "inpfeat_dim": 4}
CODEBOOK = {"perceptual": RANDOM, "judge": JUDGE, "gan_start": 6, "r1_every": 4}
RESTORATION = {"perceptual": RANDOM, "judge": LOCAL_JUDGE, "r1_every": 4, "main": {"gan_start": 6}}
TINY: dict[str, dict[str, Any]] = {
    "v1": {
        **WIDTHS, "resolution_scale_rates": (1, 2, 2), "encoder_num_blocks": 1, "decoder_num_blocks": 1,
        "codebook": {**CODEBOOK, "reestimation": {"warmup": 4, "every": 5, "until": 12, "reservoir": 300}},
        "restoration": RESTORATION,
    },
    "v2": {**WIDTHS, "num_enc_blocks": 1, "num_dec_blocks": 1, "codebook": CODEBOOK, "restoration": RESTORATION},
}  # fmt: skip


def method(version: str, task: Task = TASK, **fields: Any) -> VQFRMethod:
    return VQFRMethod(VQFRConfig.model_validate({"version": version, version: TINY[version], **fields}), task, {})


def fill(network: nn.Module, seed: int = 0) -> None:
    """Weights that do not depend on torch's generator."""
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            value.copy_(draw_weight(name, value.shape, seed))


def upstream(made: VQFRMethod) -> Upstream:
    """A codebook stage's weights."""
    network = made.autoencoder()
    fill(network)
    return {"codebook": {"network": network.state_dict()}}


def recipe(version: str, stage: str, made: VQFRMethod | None = None) -> Any:
    made = made or method(version)
    (found,) = [other for other in made.stages() if other.name == stage]
    built = found.recipe(upstream(made) if stage == "restoration" else {})
    for name, network in built.networks.items():
        if stage == "codebook" or name not in ("encoder", "decoder", "quantizer"):
            fill(network)
    return built


def restored_weights(made: VQFRMethod, seed: int = 0) -> Upstream:
    network = made.network()
    fill(network, seed)
    return {"restoration": {name: part.state_dict() for name, part in network.named_children()}}


def weights(terms: Mapping[str, Term]) -> dict[str, float]:
    return {name: term.weight for name, term in terms.items()}


# ---- the networks ----


@pytest.mark.parametrize("version", VERSIONS)
def test_state_dicts_have_the_released_keys_and_shapes(version: str, pinned) -> None:
    made = method(version)
    judges = recipe(version, "restoration").networks
    local = {name: judges[name] for name in judges if name.endswith(("global", "local"))}
    modules = {"network": made.network(), "autoencoder": made.autoencoder(), **local}
    state = {name: {k: list(v.shape) for k, v in module.state_dict().items()} for name, module in modules.items()}
    assert state == pinned("vqfr", f"{version} state", state)
    assert set(state["autoencoder"]) <= set(state["network"])


def test_default_widths_are_the_published_ones() -> None:
    with torch.device("meta"):
        counts = {
            version: [sum(p.numel() for p in network.parameters()) for network in (made.network(), made.autoencoder())]
            for version in VERSIONS
            for made in [VQFRMethod(VQFRConfig.model_validate({"version": version}), Task("deblur", 1, 512), {})]
        }
        judges = [SWADiscriminator(512), PatchDiscriminator(n_layers=3), PatchDiscriminator(n_layers=4)]
    assert counts == {"v1": [76_563_583, 52_781_827], "v2": [83_486_539, 63_740_099]}
    assert [sum(p.numel() for p in judge.parameters()) for judge in judges] == [27_772_799, 2_782_002, 6_986_034]


@torch.no_grad()
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(("scale", "shape"), [(1, (32, 32)), (1, (21, 30)), (4, (8, 8))])
def test_a_restorer_keeps_shape_and_range(version: str, scale: int, shape: tuple[int, int]) -> None:
    made = method(version, Task("sr" if scale > 1 else "deblur", scale, SIZE))
    restorer = made.restorer(restored_weights(made))
    lq = make_input((2, 3, *shape), 1)
    restored = restorer(lq)
    assert restored.shape == (2, 3, shape[0] * scale, shape[1] * scale)
    assert not restorer.training
    assert torch.equal(restored, restorer(lq))
    network = made.network()
    fill(network)
    if shape == (32, 32):
        torch.testing.assert_close(restored, (network(lq * 2 - 1).main + 1) / 2)


@torch.no_grad()
def test_the_fidelity_ratio_leads_from_the_texture_image_to_the_trained_one() -> None:
    made = method("v2")
    network = made.network()
    assert isinstance(network, VQFRv2)
    fill(network)
    x = make_input((1, 3, 32, 32), 1, -1, 1)
    outputs = {ratio: network(x, ratio) for ratio in (0.0, 0.5, 1.0)}
    torch.testing.assert_close(outputs[0.0].main, outputs[0.0].texture)
    assert not torch.allclose(outputs[0.5].main, outputs[1.0].main)
    restorer = method("v2", fidelity_ratio=0.5).restorer(restored_weights(made))
    torch.testing.assert_close(restorer((x + 1) / 2), (outputs[0.5].main + 1) / 2)


@torch.no_grad()
def test_codes_by_distance_need_no_prediction() -> None:
    network = VQFRv2(8, (1, 1, 2), 1, True, 1, True, 12, 6, 4, code_selection_mode="Nearest")
    fill(network)
    assert not any(name.startswith("feat2index") for name in network.state_dict())
    assert network(make_input((1, 3, 16, 16), 1)).logits is None


def test_a_deformable_convolution_begins_as_half_a_plain_one() -> None:
    layer = ModulatedDeformConv(8, groups=4)
    x, condition = make_input((2, 8, 9, 7), 1), make_input((2, 8, 9, 7), 2)
    expected = nn.functional.conv2d(x, layer.weight / 2, layer.bias, padding=1)
    torch.testing.assert_close(layer(x, condition), expected)


def test_the_inverse_wavelet_transform_undoes_the_transform() -> None:
    image = make_input((2, 3, 16, 12), 1, -1, 1)
    bands = HaarTransform()(image)
    assert bands.shape == (2, 12, 8, 6)
    torch.testing.assert_close(bands[:, :3], nn.functional.avg_pool2d(image, 2) * 2)
    torch.testing.assert_close(InverseHaarTransform()(bands), image)


# ---- the dictionary ----


def test_codes_are_the_nearest_and_gradients_pass_straight_through() -> None:
    quantizer = VectorQuantizer(7, 4)
    fill(quantizer)
    z = make_input((2, 4, 3, 5), 1, -1, 1).requires_grad_()
    found = quantizer(z)
    vectors = z.detach().permute(0, 2, 3, 1).reshape(-1, 4)
    distances = torch.cdist(vectors, quantizer.embedding.weight)
    assert torch.equal(found.index.flatten(), distances.argmin(1))
    torch.testing.assert_close(found.code, quantizer.look_up(found.index, (3, 5)))
    torch.testing.assert_close(found.code[1, :, 2, 4], quantizer.embedding.weight[found.index[1, -1]])
    nearest = distances.amin(1).square().mean() / 4
    torch.testing.assert_close(found.loss, 1.25 * nearest)
    (gradient,) = torch.autograd.grad((found.code * 3).sum(), z, retain_graph=True)
    assert torch.equal(gradient, torch.full_like(z, 3))
    pulled = torch.autograd.grad(found.loss, (z, quantizer.embedding.weight))
    torch.testing.assert_close(pulled[1].sum(0), -0.25 * pulled[0].sum((0, 2, 3)))


def test_a_reservoir_is_a_uniform_sample() -> None:
    generator, hits = torch.Generator().manual_seed(0), torch.zeros(20)
    for _ in range(600):
        reservoir = Reservoir(5, 1)
        for start, stop in pairwise((0, 3, 12, 20)):
            reservoir.add(torch.arange(start, stop).float()[:, None], generator)
        assert len(reservoir) == 5
        assert len(reservoir.vectors.unique()) == 5
        hits[reservoir.vectors.long().flatten()] += 1
    assert hits.sum() == 3000
    assert (hits - 150).abs().max() < 45  # four standard deviations of a share of 1/4 in 600


def test_a_reservoir_holds_what_there_is() -> None:
    reservoir = Reservoir(8, 2)
    reservoir.add(torch.ones(3, 2), torch.Generator().manual_seed(0))
    assert len(reservoir) == 3
    assert torch.equal(reservoir.vectors[:3], torch.ones(3, 2))
    reservoir.clear()
    assert len(reservoir) == 0


def test_kmeans_finds_the_means_of_separate_clouds() -> None:
    generator = torch.Generator().manual_seed(3)
    clouds = torch.tensor([[0.0, 0.0], [10.0, 0.0]])
    points = clouds.repeat(50, 1) + make_input((100, 2), 1, -1, 1)
    centres = kmeans(points, 2, generator)
    expected = torch.stack([points[::2].mean(0), points[1::2].mean(0)])
    torch.testing.assert_close(centres[centres[:, 0].argsort()], expected)


def test_a_centre_without_points_stays() -> None:
    centres = kmeans(torch.ones(4, 2), 3, torch.Generator().manual_seed(0))
    assert torch.equal(centres, torch.ones(3, 2))


# ---- the trainings ----


@pytest.mark.slow
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("stage", STAGES)
def test_twenty_steps_follow_the_pinned_curve(version: str, stage: str, train, curves, pinned) -> None:
    found = curves(train(recipe(version, stage), SIZE))
    golden = pinned("vqfr", f"{version} {stage}", found)
    assert set(found) == set(golden)
    for name, curve in golden.items():
        assert found[name] == pytest.approx(curve, rel=2e-2, abs=1e-5), name


def batch(step: int = 0, scale: int = 1) -> Batch:
    gt = make_input((2, 3, SIZE, SIZE), step)
    lq = nn.functional.avg_pool2d(gt, scale)
    return Batch(lq, gt, torch.Generator().manual_seed(step))


class Pairs:
    def batch(self, step: int) -> Batch:
        return batch(step)


def test_a_codebook_run_resumes_exactly_in_the_midst_of_reestimation(tmp_path: Path) -> None:
    class Stop(Exception):
        pass

    def stop(now: Any) -> None:
        if now.step == 8:
            raise Stop

    def run(folder: str, on_step: Any = None) -> Any:
        built, steps = recipe("v1", "codebook"), Budget(iterations=12)
        (tmp_path / folder).mkdir(exist_ok=True)
        execution = Execution(device="cpu", checkpoint_every=7)
        return fit(built, Pairs(), steps, tmp_path / folder, seed=0, execution=execution, on_step=on_step)

    whole = run("whole")
    with pytest.raises(Stop):
        run("halves", stop)
    resumed = run("halves")
    for name, state in whole.weights.items():
        assert all(torch.equal(value, resumed.weights[name][key]) for key, value in state.items()), name


def test_the_dictionary_wakes_up_in_steps() -> None:
    built: CodebookRecipe = recipe("v1", "codebook")
    entries = built.network.codebook.embedding.weight
    before, seen = entries.clone(), []
    for step in range(13):
        shared = built(batch(step), step)
        assert ("codebook" in shared) == (step >= 4)
        seen.append(not torch.equal(entries, before))
        before = entries.clone()
    assert [step for step, changed in enumerate(seen) if changed] == [4, 9]
    plain: CodebookRecipe = recipe("v2", "codebook")
    assert plain.reservoir is None
    assert "codebook" in plain(batch(), 0)


def test_too_small_a_sample_waits() -> None:
    made = method("v1", v1={**TINY["v1"], "num_code": 300})
    built: CodebookRecipe = recipe("v1", "codebook", made)
    before = built.network.codebook.embedding.weight.clone()
    built(batch(), 4)
    assert torch.equal(built.network.codebook.embedding.weight, before)
    assert len(built.reservoir or ()) == 128


def test_the_gan_of_the_codebook_begins_on_time() -> None:
    built: CodebookRecipe = recipe("v1", "codebook")
    shared = {step: built(batch(), step) for step in (5, 6, 8)}
    assert [player.name for player in built.players] == ["network", "judge"]
    assert built.losses("judge", batch(), shared[5], 5) == {}
    assert set(built.losses("network", batch(), shared[5], 5)) == {"l1", "feature_distance(random)", "codebook"}
    assert weights(built.losses("network", batch(), shared[6], 6)) == {
        "l1": 1, "feature_distance(random)": 1, "codebook": 1, "gan": 1
    }  # fmt: skip
    assert weights(built.losses("judge", batch(), shared[6], 6)) == {"d": 1}
    assert weights(built.losses("judge", batch(), shared[8], 8)) == {"d": 1, "r1": 10 / 2 * 4}


def test_version_1_trains_two_branches() -> None:
    built: RestorationRecipe = recipe("v1", "restoration")
    shared = built(batch(), 0)
    distance = "feature_distance(random)"
    assert [player.name for player in built.players] == ["network", "texture_judges", "main_judges"]
    assert weights(built.losses("network", batch(), shared, 0)) == {
        "latent": 1, "texture_l1": 1, f"texture_{distance}": 1, "texture_gan": 0.5, "texture_local_gan": 0.5,
        f"main_{distance}": 1,
    }  # fmt: skip
    assert set(built.losses("network", batch(), shared, 6)) > {"main_gan", "main_local_gan"}
    assert built.losses("main_judges", batch(), shared, 0) == {}
    assert weights(built.losses("texture_judges", batch(), shared, 0)) == {"d": 1, "r1": 20, "local_d": 0.5}
    assert weights(built.losses("main_judges", batch(), shared, 6)) == {"d": 1, "local_d": 0.5}


def test_version_2_trains_the_main_branch_and_the_prediction() -> None:
    built: RestorationRecipe = recipe("v2", "restoration")
    shared = built(batch(), 0)
    distance = "feature_distance(random)"
    assert [player.name for player in built.players] == ["network", "main_judges"]
    assert weights(built.losses("network", batch(), shared, 6)) == {
        "latent": 1, "index": 1, "main_l1": 1, f"main_{distance}": 1, "main_gan": 1, "main_local_gan": 0.5
    }  # fmt: skip
    assert weights(built.losses("main_judges", batch(), shared, 6)) == {"d": 1, "local_d": 1}


@pytest.mark.parametrize("version", VERSIONS)
def test_the_restoration_leaves_the_dictionary_as_it_is(version: str, train) -> None:
    built: Recipe = recipe(version, "restoration")
    before = {name: {k: v.clone() for k, v in part.state_dict().items()} for name, part in built.networks.items()}
    fitted = train(built, SIZE, steps=8)
    moved = {
        name: {key for key, value in state.items() if not torch.equal(value, before[name][key])}
        for name, state in fitted.weights.items()
    }
    assert not any("embedding" in key for key in moved["quantizer"])
    assert {name for name, keys in moved.items() if not keys} == (
        {"quantizer", "decoder"} if version == "v2" else set()
    )
    assert method(version).restorer({"restoration": fitted.weights})


def test_the_encoder_of_version_2_learns_from_the_code_alone() -> None:
    built: RestorationRecipe = recipe("v2", "restoration")
    built.train()
    shared = built(batch(), 6)
    terms = built.losses("network", batch(), shared, 6)
    of_image = torch.stack([term.value for name, term in terms.items() if name.startswith("main")]).sum()
    parts = {name: next(built.networks[name].parameters()) for name in ("encoder", "feat2index", "main_branch")}
    touched = torch.autograd.grad(of_image, list(parts.values()), allow_unused=True, retain_graph=True)
    assert [gradient is not None for gradient in touched] == [False, False, True]
    of_code = terms["latent"].value + terms["index"].value
    touched = torch.autograd.grad(of_code, list(parts.values()), allow_unused=True)
    assert [gradient is not None for gradient in touched] == [True, True, False]


def test_an_enlarged_input_is_restored_in_training_too(train) -> None:
    made = method("v1", Task("sr", 4, SIZE))
    fitted = train(recipe("v1", "restoration", made), SIZE, scale=4, steps=1)
    assert fitted.step == 1


def test_the_adaptive_weight_balances_gradients() -> None:
    layer = torch.tensor([1.0, 2.0], requires_grad=True)
    anchor, adversarial = (layer * torch.tensor([3.0, 4.0])).sum(), (layer * torch.tensor([0.0, 2.0])).sum()
    weight = adaptive_weight(anchor, adversarial, layer)
    torch.testing.assert_close(weight, torch.tensor(5 / (2 + 1e-4)))
    assert not weight.requires_grad
    torch.testing.assert_close(adaptive_weight(anchor, 0 * adversarial, layer), torch.tensor(1e4))


def test_style_compares_gram_matrices_of_unit_features() -> None:
    features = RandomFeatures(0, (4, 8))
    style, a, b = UnitStyleLoss(features), make_input((2, 3, 16, 16), 1), make_input((2, 3, 16, 16), 2)
    expected = torch.zeros(())
    for name in features.layers:
        grams = []
        for x in (features(a)[name], features(b)[name]):
            unit = nn.functional.normalize(x, dim=1).flatten(2)
            grams.append(unit @ unit.mT / (unit.shape[1] * unit.shape[2]))
        expected = expected + (grams[0] - grams[1]).abs().mean()
    torch.testing.assert_close(style(a, b), expected)
    assert style(a, a) == 0


def test_style_is_there_with_vgg16_and_weighs_2000() -> None:
    with torch.device("meta"):
        features = vgg16(weights=None).features.state_dict()
    vgg = {f"features.{name}": draw_weight(name, value.shape, 0) for name, value in features.items()}
    heads = {f"lin{i}.model.1.weight": torch.ones(1, c, 1, 1) for i, c in enumerate((64, 128, 256, 512, 512))}
    built: RestorationRecipe = recipe("v1", "restoration")
    built.likeness = Likeness(VQFRPerceptual(), {"vgg16": vgg, "lpips_vgg16": heads})
    terms = built.losses("network", batch(), built(batch(), 0), 0)
    expected = {"texture_lpips": 1, "texture_style": 2000, "main_lpips": 1, "main_style": 2000}
    assert {name: term.weight for name, term in terms.items() if name in expected} == expected
    assert all(terms[name].value > 0 for name in expected)


# ---- the method ----


@pytest.mark.parametrize("version", VERSIONS)
def test_stages_read_what_they_say(version: str) -> None:
    codebook, restoration = method(version).stages()
    assert (codebook.data, restoration.data) == ("images", "pairs")
    assert (codebook.needs, restoration.needs) == ((), ("codebook",))
    assert "inpfeat_dim" not in codebook.config.model_dump()["architecture"]
    published = VQFRMethod(VQFRConfig.model_validate({"version": version}), Task("deblur", 1, 512), {})
    codebook, restoration = published.stages()
    assert codebook.needs == ("vgg16", "lpips_vgg16")
    assert restoration.needs == ("codebook", "vgg16", "lpips_vgg16")
    reads = [stage.config.model_dump() for stage in (codebook, restoration)]
    assert [(each["version"], each["size"]) for each in reads] == [(version, 512)] * 2
    assert all("base_channels" in each["architecture"] for each in reads)  # defaults too: a changed one is another job
    assert all(each["training"]["r1_weight"] == 10 and "budget" not in each["training"] for each in reads)
    assert (codebook.budget.iterations, restoration.budget.iterations) == (800_000, 200_000)


def test_footnotes_name_what_is_off() -> None:
    assert VQFRMethod(VQFRConfig(), TASK, {}).notes() == ()
    assert len(method("v1").notes()) == 3
    assert any("style" in note for note in method("v1").notes())
    assert any("gradients" in note for note in VQFRMethod(VQFRConfig(version="v2"), TASK, {}).notes())


def test_sizes_that_do_not_halve_are_unsupported() -> None:
    assert VQFRMethod(VQFRConfig(), Task("deblur", 1, 512), {}).unsupported() is None
    assert "48" in str(VQFRMethod(VQFRConfig(), Task("deblur", 1, 48), {}).unsupported())
    assert "16" in str(VQFRMethod(VQFRConfig(version="v2"), Task("deblur", 1, 16), {}).unsupported())


def test_perceptual_features_of_a_prior_are_refused() -> None:
    with pytest.raises(ValidationError, match=r"perceptual.features"):
        method("v1", v1={"codebook": {"perceptual": {"features": "prior_discriminator"}}})


@pytest.mark.parametrize("version", VERSIONS)
def test_released_files_are_adopted_stage_by_stage(version: str) -> None:
    made = method(version)
    network = made.network()
    fill(network, seed=4)
    adopted = made.adopt("restoration", {"params_ema": network.state_dict()})
    x: Tensor = make_input((1, 3, 32, 32), 1)
    expected = made.restorer(restored_weights(made, seed=4))(x)
    assert torch.equal(made.restorer({"restoration": adopted})(x), expected)
    codebook = made.adopt("codebook", {"params": made.autoencoder().state_dict()})
    assert set(codebook) == {"network"}
    with pytest.raises(CheckpointMismatch):
        made.adopt("codebook", {"params": network.state_dict()})
