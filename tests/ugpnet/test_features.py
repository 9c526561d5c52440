"""Frozen extractors: nothing to train, nothing in a checkpoint, no draw from torch's global generator."""

from __future__ import annotations

import pytest
import torch
import torchvision
from torch import Tensor

from ugpnet.features import DiscriminatorFeatures, FeatureExtractor, RandomFeatures, VGGFeatures
from ugpnet.nn.discriminator import StyleGAN2Discriminator


@pytest.fixture(scope="module")
def weights() -> dict[str, Tensor]:
    torch.manual_seed(0)
    network = torchvision.models.vgg16()
    return {name: weight for name, weight in network.state_dict().items() if name.startswith("features")}


@pytest.fixture(params=["vgg16", "random", "discriminator"])
def extractor(request: pytest.FixtureRequest, weights: dict[str, Tensor]) -> FeatureExtractor:
    if request.param == "vgg16":
        return VGGFeatures("vgg16", ("conv1_2", "relu1_2"), weights)
    if request.param == "random":
        return RandomFeatures(0)
    return DiscriminatorFeatures(StyleGAN2Discriminator(16, narrow=1 / 32))


def test_there_is_nothing_to_train_or_store(extractor: FeatureExtractor) -> None:
    assert not list(extractor.parameters())
    assert not extractor.state_dict()
    assert not extractor.train().training
    assert all(not module.training for module in extractor.modules())


def test_only_the_image_gets_a_gradient(extractor: FeatureExtractor) -> None:
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    found = extractor(image)
    assert tuple(found) == extractor.layers
    torch.stack([feature.mean() for feature in found.values()]).sum().backward()
    assert image.grad is not None
    assert image.grad.abs().max() > 0
    assert not any(buffer.requires_grad for buffer in extractor.buffers())


def test_before_and_after_the_relu(weights: dict[str, Tensor]) -> None:
    found = VGGFeatures("vgg16", ("relu1_2", "conv1_2"), weights)(torch.rand(1, 3, 16, 16))
    assert list(found) == ["relu1_2", "conv1_2"]
    assert found["conv1_2"].min() < 0
    torch.testing.assert_close(found["relu1_2"], found["conv1_2"].relu())


def test_every_vgg16_layer_is_torchvision_s(weights: dict[str, Tensor]) -> None:
    network = torchvision.models.vgg16()
    network.load_state_dict(weights, strict=False)
    image = torch.rand(1, 3, 32, 32)
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    wanted = network.eval().features[:30]((image - mean) / std)
    ours = VGGFeatures("vgg16", ("relu5_3",), weights)(image)["relu5_3"]
    torch.testing.assert_close(ours, wanted, rtol=1e-4, atol=1e-5)


def test_construction_leaves_the_global_generator_alone(weights: dict[str, Tensor]) -> None:
    before = torch.get_rng_state()
    VGGFeatures("vgg16", ("relu5_3",), weights)
    RandomFeatures(0)
    assert torch.equal(before, torch.get_rng_state())


def test_random_features_follow_their_seed() -> None:
    image = torch.rand(1, 3, 16, 16)
    first, again, other = (RandomFeatures(seed)(image)["level3"] for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    assert first.shape == (1, 128, 2, 2)


def test_discriminator_features_are_a_copy() -> None:
    discriminator = StyleGAN2Discriminator(16, narrow=1 / 32)
    extractor = DiscriminatorFeatures(discriminator, ("conv_body.2",))
    image = torch.rand(1, 3, 16, 16)
    before = extractor(image)["conv_body.2"]
    torch.testing.assert_close(before, discriminator.conv_body[:3](image))
    with torch.no_grad():
        for parameter in discriminator.parameters():
            parameter.add_(1)
    assert torch.equal(before, extractor(image)["conv_body.2"])
    assert all(parameter.requires_grad for parameter in discriminator.parameters())


def test_unknown_layers_and_missing_weights_are_named(weights: dict[str, Tensor]) -> None:
    with pytest.raises(ValueError, match="vgg16 has no layer relu3_4"):
        VGGFeatures("vgg16", ("relu3_4",), weights)
    with pytest.raises(ValueError, match=r"vgg19: weights lack features\.16\.weight, features\.16\.bias"):
        VGGFeatures("vgg19", ("conv3_4",), {n: w for n, w in weights.items() if int(n.split(".")[1]) < 16})
    with pytest.raises(ValueError, match="RandomFeatures has no layer level9"):
        RandomFeatures(0, layers=("level9",))
    with pytest.raises(ValueError, match=r"the discriminator has no layer conv_body\.7"):
        DiscriminatorFeatures(StyleGAN2Discriminator(16, narrow=1 / 32), ("conv_body.7",))
