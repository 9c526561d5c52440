"""GFP-GAN's networks: released sizes and keys, options, and what frees or freezes the generator."""

from __future__ import annotations

import pytest
import torch

from methods.networks.arcface import ArcFaceResNet18, grey_face
from methods.networks.gfpgan import FacialComponentDiscriminator, GFPGANv1, GFPGANv1Clean
from ugpnet.nn.stylegan2 import StyleGAN2Generator

NETWORKS = pytest.mark.parametrize("network", [GFPGANv1, GFPGANv1Clean])


@pytest.mark.parametrize(
    ("network", "multiplier", "count"),
    [(GFPGANv1, 1, 76_207_244), (GFPGANv1Clean, 1, 76_207_244), (GFPGANv1Clean, 2, 86_444_252)],
)
def test_released_sizes(network: type[GFPGANv1 | GFPGANv1Clean], multiplier: int, count: int) -> None:
    whole = network(512, channel_multiplier=multiplier, input_is_latent=True, different_w=True, sft_half=True)
    assert sum(entry.numel() for entry in whole.parameters()) == count
    if multiplier == 1:
        trained = sum(entry.numel() for entry in whole.parameters() if entry.requires_grad)
        assert round(trained / 1e6, 2) == 51.35


def test_keys() -> None:
    v1 = set(GFPGANv1(16, num_style_feat=4, narrow=1 / 64, num_mlp=2).state_dict())
    clean = set(GFPGANv1Clean(16, num_style_feat=4, narrow=1 / 64, num_mlp=2).state_dict())
    generator = StyleGAN2Generator(16, num_style_feat=4, narrow=1 / 64, num_mlp=2).state_dict()
    assert {f"stylegan_decoder.{key}" for key in generator} <= v1
    both = {"final_linear.weight", "toRGB.1.bias", "condition_scale.0.2.weight", "condition_shift.1.0.bias"}
    assert both <= v1 & clean
    assert {"conv_body_first.0.weight", "conv_body_down.1.skip.1.weight", "conv_body_up.0.conv2.activation.bias"} <= v1
    assert {"conv_body_first.weight", "conv_body_down.1.skip.weight", "conv_body_up.0.conv2.bias"} <= clean
    assert {"stylegan_decoder.style_mlp.1.weight", "stylegan_decoder.style_mlp.3.bias"} <= clean
    assert "stylegan_decoder.style_convs.0.bias" in clean
    assert not any("activate" in key or "kernel" in key for key in clean)


@NETWORKS
@pytest.mark.parametrize("different_w", [True, False])
@pytest.mark.parametrize("sft_half", [True, False])
def test_restores(network: type[GFPGANv1 | GFPGANv1Clean], different_w: bool, sft_half: bool) -> None:
    torch.manual_seed(0)
    small = network(16, num_style_feat=4, narrow=1 / 32, num_mlp=1, different_w=different_w, sft_half=sft_half,
                    input_is_latent=different_w).eval()  # fmt: skip
    x = torch.randn(2, 3, 16, 16)
    image, images = small.restore(x, noise="stored")
    assert image.shape == x.shape
    assert [tuple(one.shape) for one in images] == [(2, 3, 8, 8), (2, 3, 16, 16)]
    again, _ = small.restore(x[:1], noise="stored")
    torch.testing.assert_close(again, image[:1], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(small.restore(x + 1, noise="stored")[0], image)


@NETWORKS
def test_fixed_decoder(network: type[GFPGANv1 | GFPGANv1Clean]) -> None:
    for fixed in (True, False):
        small = network(16, num_style_feat=4, narrow=1 / 64, num_mlp=1, fix_decoder=fixed)
        free = {entry.requires_grad for entry in small.stylegan_decoder.parameters()}
        assert free == {not fixed}
        assert small.get_parameter("final_linear.weight").requires_grad


def test_facial_discriminator() -> None:
    network = FacialComponentDiscriminator()
    assert sum(entry.numel() for entry in network.parameters()) == 1_110_785
    logits, features = network.discriminate(torch.randn(1, 3, 40, 40))
    assert logits.shape == (1, 1, 10, 10)
    assert [tuple(feature.shape) for feature in features] == [(1, 128, 20, 20), (1, 256, 10, 10)]


def test_arcface() -> None:
    network = ArcFaceResNet18().eval()
    assert sum(entry.numel() for entry in network.parameters()) == 25_627_081
    assert network(grey_face(torch.rand(1, 3, 64, 64))).shape == (1, 512)


def test_grey_face_weighs_colours() -> None:
    face = grey_face(torch.tensor([1.0, 0.0, 0.0]).view(1, 3, 1, 1).expand(1, 3, 256, 256))
    torch.testing.assert_close(face, torch.full((1, 1, 128, 128), 0.2989))
