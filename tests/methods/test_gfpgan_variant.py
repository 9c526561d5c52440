"""GFP-GAN with the layers of the paper's release: another network, the same prior to start from."""

from __future__ import annotations

import torch

from methods.base import Task
from methods.gfpgan import GFPGAN, GFPGANConfig, Training
from methods.networks.gfpgan import GFPGANv1, GFPGANv1Clean
from methods.recipes.gfpgan import GFPGANRecipe
from methods.stylegan2 import Architecture, StyleGAN2, StyleGAN2Config

TASK = Task("deblur", 1, 32)
NARROW = Architecture(num_style_feat=6, num_mlp=1, channel_multiplier=1, narrow=1 / 64)


def build(**config: object) -> GFPGAN:
    prior = StyleGAN2(StyleGAN2Config(architecture=NARROW), TASK, {})
    made = GFPGANConfig.model_validate({"training": Training(perceptual="off"), **config})
    return GFPGAN(made, TASK, {"prior": prior})


def test_the_paper_s_network_keeps_the_prior_as_it_is() -> None:
    method = build(variant="paper")
    prior = StyleGAN2(StyleGAN2Config(architecture=NARROW), TASK, {})
    weights = {"generator": prior.network().state_dict(), "discriminator": prior.discriminator().state_dict()}
    recipe = method.stages()[0].recipe({"prior": weights})
    assert isinstance(recipe, GFPGANRecipe)
    network = recipe.networks["generator"]
    assert isinstance(network, GFPGANv1)
    assert isinstance(build().network(), GFPGANv1Clean)
    for name, value in network.stylegan_decoder.state_dict().items():
        assert torch.equal(value, weights["generator"][name])


def test_its_file_restores_in_0_1() -> None:
    method = build(variant="paper")
    state = {name: torch.randn_like(value) / 10 for name, value in method.network().state_dict().items()}
    restorer = method.restorer({"restoration": method.adopt("restoration", {"params_ema": state})})
    with torch.no_grad():
        restored = restorer(torch.full((1, 3, 32, 32), 0.5))
    assert restored.shape == (1, 3, 32, 32)
    assert restored.isfinite().all()


def test_the_default_does_not_enter_the_key() -> None:
    reads = build().stages()[0].config.model_dump(exclude_defaults=True)
    assert "variant" not in reads
