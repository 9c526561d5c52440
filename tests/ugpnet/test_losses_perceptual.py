"""LPIPS against the `lpips` package; VGG, style and feature losses against torchvision; the builders."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import Literal

import lpips
import pytest
import torch
import torchvision
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.features import DiscriminatorFeatures, RandomFeatures, VGGFeatures
from ugpnet.losses import (
    Contextual,
    FeatureDistance,
    LPIPSLoss,
    PatchContextualLoss,
    Perceptual,
    VGGPerceptualLoss,
    build_contextual,
    build_perceptual,
    gram_matrix,
    unit_channels,
)
from ugpnet.nn.discriminator import StyleGAN2Discriminator


def images(seed: int, size: int = 32) -> Tensor:
    return torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def reference() -> nn.Module:
    """LPIPS with a random backbone and random heads."""
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network: nn.Module = lpips.LPIPS(net="vgg", pretrained=False, pnet_rand=True, verbose=False).eval()
    for name, parameter in network.named_parameters():
        if name.startswith("lin"):
            parameter.data.abs_()
    return network


@pytest.fixture(scope="module")
def vgg19() -> nn.Sequential:
    torch.manual_seed(1)
    features: nn.Sequential = torchvision.models.vgg19().features.eval().requires_grad_(False)
    return features


def torchvision_weights(features: nn.Module) -> dict[str, Tensor]:
    return {f"features.{name}": weight for name, weight in features.state_dict().items()}


def lpips_weights(reference: nn.Module) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    state = reference.state_dict()
    backbone = {f"features.{k.split('.', 2)[2]}": v for k, v in state.items() if k.startswith("net.slice")}
    return backbone, {name: weight for name, weight in state.items() if name.startswith("lin")}


@pytest.mark.parametrize("resize", [None, 48])
def test_lpips_is_the_package_s(reference: nn.Module, resize: int | None) -> None:
    ours = LPIPSLoss(*lpips_weights(reference), resize=resize)
    restored, gt = images(0).requires_grad_(), images(1)
    inputs = [restored, gt]
    if resize:
        inputs = [F.interpolate(image, size=(resize, resize), mode="bicubic") for image in inputs]
    wanted = reference(*inputs, normalize=True).mean()
    value = ours(restored, gt)
    torch.testing.assert_close(value, wanted, rtol=1e-5, atol=0)
    gradient, expected = (torch.autograd.grad(loss, restored)[0] for loss in (value, wanted))
    assert float((gradient - expected).norm() / expected.norm()) < 2e-3


def test_zero_features_have_zero_gradient() -> None:
    features = torch.zeros(1, 4, 2, 2, requires_grad=True)
    unit_channels(features).sum().backward()
    assert features.grad is not None
    assert features.grad.isfinite().all()
    assert unit_channels(torch.full((1, 4, 1, 1), 3.0)).square().sum().item() == pytest.approx(1)


@pytest.mark.parametrize(("distance", "compare"), [("l1", F.l1_loss), ("mse", F.mse_loss)])
def test_vgg_perceptual_and_style(vgg19: nn.Sequential, distance: Literal["l1", "mse"],
                                  compare: Callable[[Tensor, Tensor], Tensor]) -> None:  # fmt: skip
    layers = {"conv1_2": 0.1, "conv3_4": 2.0}  # torchvision's features 2 and 16
    loss = VGGPerceptualLoss("vgg19", layers, torchvision_weights(vgg19), style=True, distance=distance)
    restored, gt = images(0), images(1)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    # A slice of 3 or 17 layers ends before the ReLU of conv1_2 or conv3_4.
    pairs = [[vgg19[:depth]((image - mean) / std) for image in (restored, gt)] for depth in (3, 17)]
    terms = loss(restored, gt)
    wanted = 0.1 * compare(*pairs[0]) + 2 * compare(*pairs[1])
    torch.testing.assert_close(terms["perceptual"], wanted, rtol=1e-4, atol=0)
    grams = [[torch.einsum("bihw,bjhw->bij", f, f) / f[0].numel() for f in both] for both in pairs]
    wanted = 0.1 * F.l1_loss(*grams[0]) + 2 * F.l1_loss(*grams[1])
    torch.testing.assert_close(terms["style"], wanted, rtol=1e-4, atol=0)


def test_range_norm_takes_images_between_minus_one_and_one(vgg19: nn.Module) -> None:
    weights = torchvision_weights(vgg19)
    plain = VGGPerceptualLoss("vgg19", {"conv2_2": 1.0}, weights)(images(0), images(1))
    signed_loss = VGGPerceptualLoss("vgg19", {"conv2_2": 1.0}, weights, range_norm=True)
    signed = signed_loss(images(0) * 2 - 1, images(1) * 2 - 1)
    assert set(plain) == {"perceptual"}
    torch.testing.assert_close(signed["perceptual"], plain["perceptual"])


def test_gram_matrix_of_one_channel_is_its_mean_square() -> None:
    features = torch.rand(2, 1, 3, 5)
    torch.testing.assert_close(gram_matrix(features).flatten(), features.square().mean((1, 2, 3)))


def test_feature_distance_is_a_distance() -> None:
    loss = FeatureDistance(RandomFeatures(0))
    restored, gt = images(0), images(1)
    assert loss(gt, gt).item() == 0
    assert 0 < loss(restored, gt).item() < 4
    torch.testing.assert_close(loss(restored, gt), loss(gt, restored))
    assert loss((restored + gt) / 2, gt).item() < loss(restored, gt).item()


def test_perceptual_builder(reference: nn.Module, vgg19: nn.Module) -> None:
    vgg16, heads = lpips_weights(reference)
    weights: Mapping[str, Mapping[str, Tensor]] = {
        "vgg16": vgg16, "lpips_vgg16": heads, "vgg19": torchvision_weights(vgg19)
    }  # fmt: skip
    built = build_perceptual(Perceptual(), weights)
    assert isinstance(built, LPIPSLoss)
    assert built.resize == 256
    assert Perceptual().label == "lpips"
    discriminator = StyleGAN2Discriminator(32, narrow=1 / 32)
    for name in ("vgg19", "random", "prior_discriminator"):
        config = Perceptual.model_validate({"features": name})
        loss = build_perceptual(config, weights, discriminator)
        assert isinstance(loss, FeatureDistance)
        assert config.label == f"feature_distance({name})"
        assert loss(images(0), images(1)).item() > 0


def test_contextual_builder(vgg19: nn.Module) -> None:
    discriminator = StyleGAN2Discriminator(32, narrow=1 / 32)
    weights = {"vgg19": torchvision_weights(vgg19)}
    for name in ("vgg19", "random", "prior_discriminator"):
        config = Contextual.model_validate({"features": name, "patch": 16})
        loss = build_contextual(config, weights, discriminator)
        assert isinstance(loss, PatchContextualLoss)
        assert loss.features(images(0))[loss.features.layers[0]].shape[2:] == (8, 8)
        assert loss(images(0), images(1)).item() > 0


def test_missing_weights_are_named(reference: nn.Module) -> None:
    vgg16, heads = lpips_weights(reference)
    with pytest.raises(ValueError, match=r"no weights for vgg16 \(given: none\)"):
        build_perceptual(Perceptual(), {})
    with pytest.raises(ValueError, match=r"no weights for lpips_vgg16 \(given: vgg16\)"):
        build_perceptual(Perceptual(), {"vgg16": vgg16})
    with pytest.raises(ValueError, match="no weights for vgg19"):
        build_contextual(Contextual(), {})
    with pytest.raises(ValueError, match="discriminator"):
        build_perceptual(Perceptual(features="prior_discriminator"), {})
    del heads["lin2.model.1.weight"]
    with pytest.raises(ValueError, match=r"lin2\.model\.1\.weight"):
        LPIPSLoss(vgg16, heads)


def test_discriminator_sees_its_own_value_range() -> None:
    discriminator = StyleGAN2Discriminator(32, narrow=1 / 32)
    extractor = DiscriminatorFeatures(discriminator, value_range=(-1.0, 1.0))
    wanted = discriminator.conv_body[:2](images(0) * 2 - 1)
    torch.testing.assert_close(extractor(images(0))["conv_body.1"], wanted)


def test_vgg_features_are_torchvision_s(vgg19: nn.Module) -> None:
    found = VGGFeatures("vgg19", ("pool1", "relu2_1"), torchvision_weights(vgg19))(images(0))
    assert list(found) == ["pool1", "relu2_1"]
    assert found["relu2_1"].min().item() == 0
    assert found["pool1"].shape == (2, 64, 16, 16)
