"""The discriminator: state dict, minibatch deviation, variants and second derivatives."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import torch
from torch import Tensor, nn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from ugpnet.nn.blocks import ConvLayer, EqualLinear, ResBlock
from ugpnet.nn.discriminator import StddevGroup, StyleGAN2Discriminator, minibatch_stddev
from ugpnet.nn.spectral import SpectralLinear, SpectralWeight


def small(stddev_group: StddevGroup = 4, layers: Literal["equalised", "spectral"] = "equalised") -> nn.Module:
    torch.manual_seed(0)
    return StyleGAN2Discriminator(16, narrow=1 / 64, stddev_group=stddev_group, layers=layers)


def test_state_dict_has_basicsr_entries() -> None:
    network = StyleGAN2Discriminator(8, narrow=1 / 64)
    assert {key: tuple(entry.shape) for key, entry in network.state_dict().items()} == {
        "conv_body.0.0.weight": (8, 3, 1, 1),
        "conv_body.0.1.bias": (8,),
        "conv_body.1.conv1.0.weight": (8, 8, 3, 3),
        "conv_body.1.conv1.1.bias": (8,),
        "conv_body.1.conv2.1.weight": (8, 8, 3, 3),
        "conv_body.1.conv2.2.bias": (8,),
        "conv_body.1.skip.1.weight": (8, 8, 1, 1),
        "final_conv.0.weight": (8, 9, 3, 3),
        "final_conv.1.bias": (8,),
        "final_linear.0.weight": (8, 128),
        "final_linear.0.bias": (8,),
        "final_linear.1.weight": (1, 8),
        "final_linear.1.bias": (1,),
    }


@pytest.mark.parametrize(
    ("size", "multiplier", "group", "count"),
    [(512, 1, 4, 24_030_753), (512, 2, 4, 28_982_849), (256, 2, 4, 28_864_129), (512, 2, None, 28_978_241)],
)
def test_released_sizes(size: int, multiplier: int, group: StddevGroup, count: int) -> None:
    network = StyleGAN2Discriminator(size, multiplier, stddev_group=group)
    assert sum(entry.numel() for entry in network.parameters()) == count


@pytest.mark.parametrize(("batch", "group"), [(8, 4), (4, 4), (3, 4), (6, 2), (1, 4)])
def test_minibatch_stddev(batch: int, group: int) -> None:
    x = torch.randn(batch, 5, 4, 4, generator=torch.Generator().manual_seed(0))
    out = minibatch_stddev(x, group)
    assert torch.equal(out[:, :5], x)
    groups = batch // min(group, batch)
    for sample in range(batch):
        members = x[sample % groups :: groups]
        mean = members.sum(0) / len(members)
        expected = (((members - mean) ** 2).sum(0) / len(members) + 1e-8).sqrt().mean()
        torch.testing.assert_close(out[sample, 5], expected.expand(4, 4))


def test_minibatch_stddev_refuses_a_remainder() -> None:
    with pytest.raises(ValueError, match="6 samples do not fall into groups of 4"):
        minibatch_stddev(torch.randn(6, 2, 4, 4), 4)


def test_stddev_group() -> None:
    """Without the channel, samples are independent; with it only those of a group know each other."""
    x = torch.randn(8, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    altered = x.clone()
    altered[7] += 1
    for group, influenced in ((None, {7}), (4, {1, 3, 5, 7}), ("batch", set(range(8)))):
        network = small(group)  # type: ignore[arg-type]
        before, after = network(x), network(altered)
        changed = {index for index in range(8) if not torch.allclose(before[index], after[index], atol=1e-7)}
        assert changed == influenced


def test_residual_block_against_plain_torch() -> None:
    torch.manual_seed(0)
    block = ResBlock(3, 4)
    x = torch.randn(2, 3, 8, 8)
    fir = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
    kernel = torch.outer(fir, fir).expand(3, 1, 4, 4)

    def activate(x: Tensor) -> Tensor:
        return F.leaky_relu(x, 0.2) * math.sqrt(2)

    weights = {name: entry / math.sqrt(entry[0].numel()) for name, entry in block.named_parameters()}
    body = activate(F.conv2d(x, weights["conv1.0.weight"], padding=1))
    body = F.conv2d(F.conv2d(body, kernel, padding=2, groups=3), weights["conv2.1.weight"], stride=2)
    skip = F.conv2d(F.conv2d(x, kernel, padding=1, groups=3), weights["skip.1.weight"], stride=2)
    torch.testing.assert_close(block(x), (activate(body) + skip) / math.sqrt(2))


def test_layers_without_activation_keep_their_bias() -> None:
    layer = ConvLayer(2, 3, 3, activate=False)
    assert set(layer.state_dict()) == {"0.weight", "0.bias"}
    assert set(ConvLayer(2, 3, 3, bias=False).state_dict()) == {"0.weight"}


def test_equal_linear_scales_at_run_time() -> None:
    layer = EqualLinear(4, 2, bias_init=1, lr_mul=0.01)
    x = torch.randn(3, 4)
    expected = x @ layer.weight.T * (0.01 / 2) + 0.01
    torch.testing.assert_close(layer(x), expected)


@pytest.mark.slow
@pytest.mark.parametrize("group", [2, None])
def test_twice_differentiable(group: StddevGroup) -> None:
    torch.manual_seed(0)
    network = StyleGAN2Discriminator(8, narrow=1 / 256, stddev_group=group).double()
    x = torch.randn(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    assert gradcheck(network, (x,))
    assert gradgradcheck(network, (x,), atol=1e-4)


def test_gradient_penalty_reaches_the_weights() -> None:
    network, x = small(), torch.randn(4, 3, 16, 16, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
    gradient.square().sum().backward()
    weight = network.get_parameter("conv_body.1.conv2.1.weight")
    assert weight.grad is not None
    assert weight.grad.abs().sum() > 0


def test_spectral_weight_approaches_unit_norm_and_iterates_in_eval_mode() -> None:
    torch.manual_seed(0)
    weight = SpectralWeight((6, 4, 3, 3)).eval()
    first = weight()
    for _ in range(50):
        last = weight()
    assert not torch.allclose(first, last)
    assert torch.linalg.matrix_norm(last.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)
    assert not weight.weight_u.requires_grad


def test_spectral_layers_stand_two_calls_before_backward() -> None:
    layer = SpectralLinear(4, 3)
    (layer(torch.randn(2, 4)).sum() + layer(torch.randn(2, 4)).sum()).backward()
    assert layer.module.weight_bar.grad is not None


def test_spectral_variant() -> None:
    network = small(layers="spectral")
    assert network(torch.randn(4, 3, 16, 16)).shape == (4, 1)
    keys = set(network.state_dict())
    assert {"conv_body.0.0.module.weight_bar", "conv_body.1.conv2.1.module.weight_u"} <= keys
    assert {"final_linear.0.module.bias", "final_linear.2.module.weight_v"} <= keys
    assert "conv_body.1.skip.1.module.bias" not in keys
    released = StyleGAN2Discriminator(512, layers="spectral")
    assert sum(entry.numel() for entry in released.parameters()) == 29_053_070
