"""The feature tap on known networks, on strangers, and its refusals."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.hinet import HINet
from ugpnet.nn.nafnet import NAFNet
from ugpnet.nn.regressor import Regressor
from ugpnet.nn.rrdbnet import RRDBNet
from ugpnet.nn.tap import Tap

EXAMPLE = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Stranger(nn.Module):
    """Convolutions of 5 features, a side branch that makes 3 channels first, and a squashed direct output."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(5, 3, 3, padding=1)  # defined first, executed last
        self.guide = nn.Conv2d(3, 3, 1)
        self.norm = nn.BatchNorm2d(5)
        self.body = nn.Conv2d(3, 5, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = self.head(self.norm(self.body(self.guide(x))).relu())
        return logits.sigmoid()


class ShuffleHeaded(nn.Module):
    """x4 super-resolution: 48 channels before a PixelShuffle(4), added to the enlarged input."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Conv2d(3, 7, 3, padding=1)
        self.head = nn.Conv2d(7, 48, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.head(self.body(x)), 4) + F.interpolate(x, scale_factor=4)


@pytest.mark.parametrize("network", [
    NAFNet(3, 4, 1, (1, 1), (1, 1)),
    HINet(3, 4, depth=3),
    RRDBNet(3, 3, 2, num_feat=8, num_block=1, num_grow_ch=4),
])  # fmt: skip
def test_tap_equals_the_networks_own_features(network: Regressor) -> None:
    assert isinstance(network, nn.Module)
    tap = Tap(network, EXAMPLE)
    assert isinstance(tap, Regressor)
    facts = (network.feature_channels, network.scale, network.residual)
    assert (tap.feature_channels, tap.scale, tap.residual) == facts
    lq = torch.rand(2, 3, 21, 30)
    for tapped, own in zip(tap.both(lq), network.both(lq), strict=True):
        torch.testing.assert_close(tapped, own)
    torch.testing.assert_close(tap.features(lq), network.features(lq))
    torch.testing.assert_close(tap(lq), network(lq))


def test_tap_finds_the_last_executed_convolution_of_a_stranger() -> None:
    network = Stranger().eval()
    tap = Tap(network, EXAMPLE)
    assert (tap.head, tap.feature_channels, tap.scale, tap.residual) == ("head", 5, 1, False)
    feature = network.norm(network.body(network.guide(EXAMPLE))).relu()
    torch.testing.assert_close(tap.features(EXAMPLE), feature)


def test_tap_enlarges_the_feature_before_a_pixel_shuffle() -> None:
    network = ShuffleHeaded()
    tap = Tap(network, EXAMPLE)
    assert (tap.head, tap.feature_channels, tap.scale, tap.residual) == ("head", 7, 4, True)
    restored, feature = tap.both(EXAMPLE)
    assert feature.shape == (1, 7, *restored.shape[-2:])
    torch.testing.assert_close(feature, F.interpolate(network.body(EXAMPLE), scale_factor=4, mode="bilinear"))


def test_tap_leaves_the_network_as_it_was_and_passes_gradients() -> None:
    network = Stranger().train()
    network.norm.eval()  # a frozen part must stay frozen
    before = {key: value.clone() for key, value in network.state_dict().items()}
    tap = Tap(network, EXAMPLE)
    assert network.training
    assert not network.norm.training
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert set(tap.state_dict()) == {f"network.{key}" for key in before}
    tap.features(EXAMPLE).sum().backward()  # type: ignore[no-untyped-call]
    assert network.body.weight.grad is not None
    assert network.head.weight.grad is None
    assert not network.head._forward_pre_hooks


def test_residual_is_seen_on_a_black_example() -> None:
    assert Tap(NAFNet(3, 4, 1, (1, 1), (1, 1)), torch.zeros(1, 3, 32, 32)).residual


def test_residual_can_be_told() -> None:
    assert Tap(Stranger(), EXAMPLE, residual=True).residual


def test_no_convolution_names_what_was_found() -> None:
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ConvTranspose2d(6, 3, 1))
    with pytest.raises(ValueError, match=r"no Conv2d makes the 3x32x32 output.*0 \(3 -> 6, 32x32\)"):
        Tap(network, EXAMPLE)
    with pytest.raises(ValueError, match="no convolution at all"):
        Tap(nn.Identity(), EXAMPLE)


def test_padded_example_is_explained() -> None:
    with pytest.raises(ValueError, match=r"ending \(4 -> 3, 32x32\).*does not pad"):
        Tap(NAFNet(3, 4, 1, (1, 1), (1, 1)), EXAMPLE[..., :31, :31])


def test_networks_that_return_no_image_are_refused() -> None:
    class Stages(nn.Module):
        def forward(self, x: Tensor) -> list[Tensor]:
            return [x, x]

    with pytest.raises(TypeError, match="Stages returns list"):
        Tap(Stages(), EXAMPLE)
    with pytest.raises(TypeError, match="not to scaled images"):
        Tap(nn.Conv2d(3, 3, 3, stride=2), EXAMPLE)
