"""The fusion module's warm start, for trainings far shorter than the paper's."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from ugpnet.fusion import FusionModule


def test_it_begins_as_the_image_head_of_the_restored_feature() -> None:
    fusion, head = FusionModule(4, 8, 8, blocks=2), nn.Conv2d(8, 3, 3, padding=1)
    fusion.start_as(head)
    f_syn, f_reg = torch.randn(2, 4, 8, 8), torch.randn(2, 8, 8, 8)
    torch.testing.assert_close(fusion(f_syn, f_reg), head(f_reg.relu()))


def test_every_weight_still_learns() -> None:
    fusion = FusionModule(4, 8, 8, blocks=2)
    fusion.start_as(nn.Conv2d(8, 3, 3, padding=1))
    optimiser = torch.optim.SGD(fusion.parameters(), lr=0.1)
    for _ in range(2):  # the first step opens the blocks, the second reaches what is behind them
        optimiser.zero_grad()
        fusion(torch.randn(1, 4, 8, 8), torch.randn(1, 8, 8, 8)).square().mean().backward()
        optimiser.step()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in fusion.parameters())


@pytest.mark.parametrize("reg_channels", [3, 16])
def test_another_width_is_refused(reg_channels: int) -> None:
    with pytest.raises(ValueError, match="features of its width"):
        FusionModule(4, reg_channels, 8).start_as(nn.Conv2d(8, 3, 3, padding=1))
