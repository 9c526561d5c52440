"""Warm starts of R_se, R_mg and the fusion module, for trainings far shorter than the paper's."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from torch import Tensor, nn

from ugpnet.fusion import FusionModule
from ugpnet.nn.nafnet import NAFNet
from ugpnet.nn.rrdbnet import RRDBNet
from ugpnet.nn.tap import Tap
from ugpnet.restoration import ResidualRestoration, restoration_module
from ugpnet.warm_start import OFFSET, start_fusion, start_restoration

EXAMPLE = torch.zeros(1, 3, 32, 32)


def nafnet(width: int = 12) -> NAFNet:
    """An untrained network that leaves images nearly as they are, as a short training does."""
    torch.manual_seed(5)
    network = NAFNet(width=width, middle_blk_num=1, enc_blk_nums=(1,), dec_blk_nums=(1,))
    nn.init.normal_(network.intro.weight, std=0.03)
    nn.init.normal_(network.ending.weight, std=0.2)
    return network.eval()


def smooth_images() -> Tensor:
    noise = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    return nn.functional.interpolate(noise, size=(48, 48), mode="bicubic").clamp(0, 1)


def started(network: nn.Module, channels: int) -> ResidualRestoration:
    module = restoration_module(network, channels=channels)
    start_restoration(module, EXAMPLE)
    return cast(ResidualRestoration, module)


@torch.no_grad()
@pytest.mark.parametrize("channels", [12, 20])
def test_the_restoration_module_begins_near_its_regressor(channels: int) -> None:
    network, x = nafnet(), smooth_images()
    error = (started(network, channels)(x) - network(x))[..., 4:-4, 4:-4]
    assert error.square().mean().sqrt() < 0.2 * (network(x) - x).std()


@torch.no_grad()
def test_a_tapped_network_is_found_through_its_tap() -> None:
    plain, x = nafnet(), smooth_images()
    tapped = started(Tap(nafnet(), EXAMPLE), 12)
    torch.testing.assert_close(tapped(x), started(plain, 12)(x))


def test_every_weight_of_the_restoration_module_still_learns() -> None:
    module = started(nafnet(), 20)
    optimiser = torch.optim.SGD(module.encoder.parameters(), lr=0.01)
    for _ in range(2):  # the first step opens what reads the further channels, the second reaches behind it
        optimiser.zero_grad()
        module(smooth_images()).square().mean().backward()
        optimiser.step()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in module.encoder.parameters())


def test_a_restoration_module_narrower_than_the_feature_is_refused() -> None:
    with pytest.raises(ValueError, match="8 < 12"):
        started(nafnet(), 8)


def test_a_direct_network_has_nothing_to_start() -> None:
    with pytest.raises(ValueError, match="has none"):
        start_restoration(restoration_module(RRDBNet(num_feat=4, num_block=1, scale=1)), EXAMPLE)


def fused(channels: int = 12, syn_channels: int = 4) -> tuple[FusionModule, ResidualRestoration]:
    module = started(nafnet(), channels)
    fusion = FusionModule(syn_channels, channels, channels, blocks=2)
    start_fusion(fusion, module, "features", EXAMPLE)
    return fusion, module


def test_the_fusion_module_begins_as_the_image_head_of_the_restored_feature() -> None:
    fusion, module = fused()
    f_syn, f_reg = torch.randn(2, 4, 8, 8), torch.randn(2, 12, 8, 8)
    head: Any = module.encoder.to_img.body[0]
    torch.testing.assert_close(fusion(f_syn, f_reg), head(f_reg.relu()))


def test_every_weight_of_the_fusion_module_still_learns() -> None:
    fusion, _ = fused()
    optimiser = torch.optim.SGD(fusion.parameters(), lr=0.1)
    for _ in range(2):  # the first step opens the blocks, the second reaches what is behind them
        optimiser.zero_grad()
        fusion(torch.randn(1, 4, 8, 8), torch.randn(1, 12, 8, 8)).square().mean().backward()
        optimiser.step()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in fusion.parameters())


@torch.no_grad()
def test_fusing_images_begins_with_x_reg() -> None:
    fusion = FusionModule(3, 3, 8, blocks=2)
    start_fusion(fusion, started(nafnet(), 12), "images", EXAMPLE)
    x_reg = torch.rand(2, 3, 8, 8) - 0.2  # restored images are not clamped
    made = fusion(torch.randn(2, 3, 8, 8), x_reg)
    torch.testing.assert_close(made[..., 1:-1, 1:-1], x_reg[..., 1:-1, 1:-1])


@torch.no_grad()
@pytest.mark.parametrize("channels", [4, 6])
def test_a_direct_network_hands_its_own_image_head_over(channels: int) -> None:
    network, x = RRDBNet(num_feat=4, num_block=1, scale=1).eval(), smooth_images()
    fusion = FusionModule(3, 4, channels, blocks=2)
    start_fusion(fusion, restoration_module(network), "features", EXAMPLE)
    x_reg, f_reg = network.both(x)
    assert f_reg.min() > -OFFSET
    torch.testing.assert_close(
        fusion(torch.randn(2, 3, 48, 48), f_reg)[..., 2:-2, 2:-2], x_reg[..., 2:-2, 2:-2], rtol=1e-4, atol=1e-4
    )


@torch.no_grad()
def test_a_residual_network_without_its_structure_encoder_begins_with_the_residual() -> None:
    network, x = nafnet(), smooth_images()
    fusion = FusionModule(4, 12, 12, blocks=1)
    start_fusion(fusion, restoration_module(network, structure_encoder=False), "features", EXAMPLE)
    _, f_reg = network.both(x)
    lifted = f_reg.clamp(min=-OFFSET)
    residual = network.ending(lifted)
    torch.testing.assert_close(fusion(torch.randn(2, 4, 48, 48), f_reg)[..., 1:-1, 1:-1], residual[..., 1:-1, 1:-1])


def test_a_fusion_module_narrower_than_the_feature_is_refused() -> None:
    with pytest.raises(ValueError, match="8 < 12"):
        start_fusion(FusionModule(4, 12, 8), started(nafnet(), 12), "features", EXAMPLE)
