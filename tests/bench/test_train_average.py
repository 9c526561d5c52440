"""Exponential moving averages."""

import pytest
import torch
from torch import nn

from bench.train.average import Average


def network():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    layers[0].bias.requires_grad_(False)
    return nn.ModuleDict({"g": layers, "d": nn.Linear(1, 1)})


def test_the_average_begins_as_a_copy_and_follows():
    networks = network()
    weight = networks["g"][0].weight
    expected = weight.detach().clone()
    average = Average(networks, {"g": 0.75})
    for _ in range(5):
        weight.data += torch.rand(3, 3)
        average.update()
        expected = 0.75 * expected + 0.25 * weight.detach()
    torch.testing.assert_close(average.tensors()["g.0.weight"], expected, rtol=0, atol=1e-6)
    assert set(average.tensors()) == {"g.0.weight", "g.1.weight", "g.1.bias"}


def stop_where(holds):
    if holds:
        raise RuntimeError("stop")


def test_swapping_is_exact_and_undone_after_an_error():
    networks = network()
    average = Average(networks, {"g": 0.5})
    live = networks["g"][0].weight
    live.data += 1
    before, mean = live.detach().clone(), average.tensors()["g.0.weight"].clone()
    with pytest.raises(RuntimeError, match="stop"), average.swapped():
        stop_where(torch.equal(live, mean))
    assert torch.equal(live, before)
    assert torch.equal(average.tensors()["g.0.weight"], mean)


def test_a_network_that_does_not_exist_is_named():
    with pytest.raises(ValueError, match=r"average names \['e'\]"):
        Average(network(), {"e": 0.5})
