"""The generator against a per-sample formulation, its state dict, noise, conditions and second derivatives."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from ugpnet.nn.blocks import channels_at, octaves
from ugpnet.nn.condition import SFT, Basecode, Condition
from ugpnet.nn.modulation import ModulatedConv2d, StyleConv, modulated_conv2d
from ugpnet.nn.stylegan2 import StyleGAN2Generator, SynthesisNetwork

STYLE = 8


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def network() -> StyleGAN2Generator:
    torch.manual_seed(0)
    network = StyleGAN2Generator(16, num_style_feat=STYLE, num_mlp=2, narrow=1 / 64)
    for conv in (network.style_conv1, *network.style_convs):
        assert isinstance(conv, StyleConv)
        torch.nn.init.constant_(conv.weight, 0.5)
    return network.eval()


@pytest.fixture
def latents(network: StyleGAN2Generator) -> Tensor:
    return torch.randn(3, network.num_latent, STYLE, generator=rng())


def grouped(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool, upsample: bool) -> Tensor:
    """The paper's formulation: every sample has its own weight."""
    batch, channels, height, width = x.shape
    scaled = weight[None] * style[:, None, :, None, None]
    if demodulate:
        scaled = scaled / torch.sqrt(scaled.pow(2).sum((2, 3, 4), keepdim=True) + 1e-8)
    one = x.reshape(1, batch * channels, height, width)
    if not upsample:
        kernels = scaled.reshape(-1, *scaled.shape[2:])
        out = F.conv2d(one, kernels, padding=weight.shape[-1] // 2, groups=batch)
    else:
        kernels = scaled.transpose(1, 2).reshape(batch * channels, -1, *weight.shape[2:])
        out = F.conv_transpose2d(one, kernels, stride=2, groups=batch)
        fir = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype) / 4
        out = F.conv2d(out.transpose(0, 1), torch.outer(fir, fir)[None, None], padding=1).transpose(0, 1)
    return out.reshape(batch, -1, *out.shape[2:])


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("scale", [1.0, 1e-4])  # the smaller one brings the sums of squares down to the epsilon
@pytest.mark.parametrize(("kernel", "demodulate", "upsample"), [(3, True, False), (3, True, True), (1, False, False)])
def test_modulated_convolution(batch: int, scale: float, kernel: int, demodulate: bool, upsample: bool) -> None:
    torch.manual_seed(0)
    layer = ModulatedConv2d(5, 4, kernel, STYLE, demodulate, upsample).double()
    x, latent = torch.randn(batch, 5, 6, 6).double(), torch.randn(batch, STYLE).double()
    with torch.no_grad():
        layer.weight.mul_(scale)
        expected = grouped(
            x, layer.weight[0] / math.sqrt(5 * kernel**2), layer.modulation(latent), demodulate, upsample
        )
        torch.testing.assert_close(layer(x, latent), expected, rtol=1e-6, atol=1e-6 * scale)


@pytest.mark.parametrize("batch", [1, 2])
def test_modulated_convolution_is_twice_differentiable(batch: int) -> None:
    x, weight, style = (
        torch.randn(shape, dtype=torch.float64, generator=rng()).requires_grad_()
        for shape in [(batch, 2, 3, 3), (2, 2, 3, 3), (batch, 2)]
    )

    def convolve(x: Tensor, weight: Tensor, style: Tensor) -> Tensor:
        return modulated_conv2d(x, weight, style, lambda a, w: F.conv2d(a, w, padding=1))

    assert gradcheck(convolve, (x, weight, style))
    assert gradgradcheck(convolve, (x, weight, style))


def test_path_length_gradient_reaches_the_weights(network: StyleGAN2Generator, latents: Tensor) -> None:
    image, _ = network.synthesize(latents.requires_grad_(), noise="stored")
    (gradient,) = torch.autograd.grad(image.square().sum(), latents, create_graph=True)
    gradient.square().sum().backward()
    for name in ("style_conv1", "style_convs.1", "to_rgbs.1"):
        weight = network.get_parameter(f"{name}.modulated_conv.weight")
        assert weight.grad is not None
        assert weight.grad.abs().sum() > 0


def test_state_dict_has_basicsr_entries() -> None:
    state = StyleGAN2Generator(8, num_style_feat=STYLE, num_mlp=1, narrow=1 / 64).state_dict()
    conv = {"weight": (1,), "activate.bias": (8,), "modulated_conv.weight": (1, 8, 8, 3, 3)}
    rgb = {"bias": (1, 3, 1, 1), "modulated_conv.weight": (1, 3, 8, 1, 1)}
    affine = {"modulated_conv.modulation.weight": (8, STYLE), "modulated_conv.modulation.bias": (8,)}
    expected = {
        "style_mlp.1.weight": (STYLE, STYLE),
        "style_mlp.1.bias": (STYLE,),
        "constant_input.weight": (1, 8, 4, 4),
        "noises.noise0": (1, 1, 4, 4),
        "noises.noise1": (1, 1, 8, 8),
        "noises.noise2": (1, 1, 8, 8),
    }
    for name, entries in {"style_conv1": conv, "style_convs.0": conv, "style_convs.1": conv}.items():
        expected |= {f"{name}.{key}": shape for key, shape in (entries | affine).items()}
    for name in ("to_rgb1", "to_rgbs.0"):
        expected |= {f"{name}.{key}": shape for key, shape in (rgb | affine).items()}
    assert {key: tuple(entry.shape) for key, entry in state.items()} == expected


def test_released_size() -> None:
    """30,276,583: the 512 px model with multiplier 2, as released."""
    network = StyleGAN2Generator(512, channel_multiplier=2)
    buffers = sum(entry.numel() for entry in network.noises.buffers())
    assert sum(entry.numel() for entry in network.parameters()) == 30_276_583
    assert buffers == 16 + 2 * sum(4**level for level in range(3, 10))


@pytest.mark.parametrize(("size", "narrow"), [(16, 1 / 16), (32, 0.03), (64, 1 / 64), (128, 1 / 64)])
def test_small_and_narrow_networks(size: int, narrow: float) -> None:
    network = StyleGAN2Generator(size, num_style_feat=4, num_mlp=1, narrow=narrow)
    image, latents = network(torch.randn(2, 4), return_latents=True)
    assert image.shape == (2, 3, size, size)
    assert latents.shape == (2, 2 * int(math.log2(size)) - 2, 4)


def test_widths() -> None:
    assert [channels_at(size) for size in (4, 32, 64, 128, 256, 512, 1024)] == [512, 512, 512, 256, 128, 64, 32]
    assert channels_at(64, channel_multiplier=1, narrow=0.25) == 64


@pytest.mark.parametrize("size", [2, 24, 100])
def test_sizes_that_no_doubling_reaches(size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        octaves(size)


def test_random_noise_comes_from_the_generator(network: StyleGAN2Generator) -> None:
    z = torch.randn(2, STYLE, generator=rng())
    first, again, other = (network(z, generator=rng(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_noise_stored_or_given(network: StyleGAN2Generator, latents: Tensor) -> None:
    stored, _ = network.synthesize(latents, noise="stored")
    given, _ = network.synthesize(latents, noise=list(network.noises.buffers()))
    assert torch.equal(stored, given)
    silent, _ = network.synthesize(latents, noise=[torch.zeros(shape) for shape in network.noise_shapes()])
    assert not torch.allclose(stored, silent)


def test_samples_do_not_influence_each_other(network: StyleGAN2Generator, latents: Tensor) -> None:
    together, features = network.synthesize(latents, noise="stored")
    for index in range(len(latents)):
        alone, feature = network.synthesize(latents[index : index + 1], noise="stored")
        torch.testing.assert_close(alone[0], together[index], rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(feature[0], features[index], rtol=1e-4, atol=1e-5)


def test_features_are_what_the_last_rgb_layer_reads(network: StyleGAN2Generator, latents: Tensor) -> None:
    seen: list[Tensor] = []
    network.to_rgbs[-1].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    _, features = network.synthesize(latents, noise="stored")
    assert torch.equal(features, seen[0])


def test_mixing(network: StyleGAN2Generator) -> None:
    first, second = torch.randn(2, 2, STYLE, generator=rng())
    _, latents = network([first, second], noise="stored", inject_index=2, return_latents=True)
    assert torch.equal(latents[:, 1], network.map(first))
    assert torch.equal(latents[:, 2], network.map(second))
    drawn = [network.mix([first, second], generator=rng(3)) for _ in range(2)]
    assert torch.equal(*drawn)
    assert torch.equal(drawn[0][:, 0], first)
    assert torch.equal(drawn[0][:, -1], second)


def test_latent_of_one_or_of_every_layer(network: StyleGAN2Generator) -> None:
    w = torch.randn(2, STYLE, generator=rng())
    every = w[:, None].repeat(1, network.num_latent, 1)
    images = [network(x, input_is_latent=True, noise="stored") for x in (w, every)]
    assert torch.equal(*images)


def test_truncation(network: StyleGAN2Generator) -> None:
    z, mean = torch.randn(2, STYLE, generator=rng()), network.mean_latent(16, rng())
    assert torch.equal(mean, network.mean_latent(16, rng()))
    _, latents = network(z, truncation=0.25, truncation_latent=mean, noise="stored", return_latents=True)
    torch.testing.assert_close(latents[:, 0], mean + 0.25 * (network.map(z) - mean))
    with pytest.raises(ValueError, match="mean_latent"):
        network(z, truncation=0.5)


def test_basecode_replaces_all_that_is_coarser(network: StyleGAN2Generator, latents: Tensor) -> None:
    code = torch.randn(3, channels_at(8, narrow=1 / 64), 8, 8, generator=rng())
    image, _ = network.synthesize(latents, Basecode(code), noise="stored")
    changed = latents.clone()
    changed[:, :2] += 1  # convolutions 0 and 1, and the RGB layer of 4 px
    assert torch.equal(image, network.synthesize(changed, Basecode(code), noise="stored")[0])
    changed[:, 2] += 1
    assert not torch.allclose(image, network.synthesize(changed, Basecode(code), noise="stored")[0])
    assert not torch.allclose(image, network.synthesize(latents, Basecode(code + 1), noise="stored")[0])


class Replay(Condition):
    """Records the hooks; `start` gives what convolution 1 made when nothing was replaced."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, int]] = []
        self.outputs: list[Tensor] = []

    def before_upsample(self, level: int, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        self.calls.append(("before_upsample", level))
        return x, torch.zeros_like(skip)

    def before_activation(self, conv: int, x: Tensor) -> Tensor:
        self.calls.append(("before_activation", conv))
        return x

    def after_conv(self, conv: int, x: Tensor) -> Tensor:
        self.calls.append(("after_conv", conv))
        self.outputs.append(x)
        return x


def test_hooks_come_in_order(network: StyleGAN2Generator, latents: Tensor) -> None:
    replay = Replay()
    _, features = network.synthesize(latents, replay, noise="stored")

    def conv(index: int) -> list[tuple[str, int]]:
        return [("before_activation", index), ("after_conv", index)]

    first, second = [("before_upsample", 1)], [("before_upsample", 2)]
    assert replay.calls == conv(0) + first + conv(1) + conv(2) + second + conv(3) + conv(4)
    assert torch.equal(features, replay.outputs[-1])
    _, resumed = network.synthesize(latents, Basecode(replay.outputs[1]), noise="stored")
    torch.testing.assert_close(resumed, features)


def test_sft_changes_the_second_half_after_upsampling(network: StyleGAN2Generator, latents: Tensor) -> None:
    plain = Replay()
    network.synthesize(latents, plain, noise="stored")
    up = plain.outputs[1]
    ones = [torch.ones(3, 4, size, size) for size in (8, 16)]
    condition = SFT([one * 3 for one in ones], ones)
    out = condition.after_conv(1, up)
    assert torch.equal(out[:, :4], up[:, :4])
    assert torch.equal(out[:, 4:], up[:, 4:] * 3 + 1)
    assert condition.after_conv(2, up) is up
    neutral = SFT(ones, [one * 0 for one in ones])
    images = [network.synthesize(latents, steer, noise="stored")[0] for steer in (None, neutral)]
    assert torch.equal(*images)
    whole = SFT([torch.ones(3, 8, 8, 8) * 2], [torch.zeros(3, 8, 8, 8)], half=False)
    assert torch.equal(whole.after_conv(1, up), up * 2)


def test_concatenated_noise_doubles_the_channels() -> None:
    network = StyleGAN2Generator(16, num_style_feat=STYLE, num_mlp=1, narrow=1 / 64, injection="concat")
    latents = torch.randn(2, network.num_latent, STYLE)
    maps = [torch.randn(2, 8, size, size) for size in (4, 8, 8, 16, 16)]
    image, features = network.synthesize(latents, noise=maps)
    assert image.shape == (2, 3, 16, 16)
    assert features.shape == (2, 16, 16, 16)
    with pytest.raises(ValueError, match="encoder"):
        network.synthesize(latents)


def test_synthesis_from_another_size() -> None:
    network = SynthesisNetwork(32, STYLE, narrow=1 / 64, start_size=16)
    assert network.num_latent == 4
    image, _ = network.synthesize_from(torch.randn(2, 8, 16, 16), torch.randn(2, 4, STYLE))
    assert image.shape == (2, 3, 32, 32)
