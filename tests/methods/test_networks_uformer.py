"""Uformer against spandrel's, its sizes and features, and the windows below it."""

from __future__ import annotations

import pytest
import torch
from spandrel.architectures.Uformer import Uformer as SpandrelUformer
from torch import Tensor

from bench.parity.oracle import draw_weight, make_input
from methods.networks.uformer import Uformer, _drop_path_rates
from methods.networks.windows import cut, join, shift_mask
from ugpnet.nn.regressor import Regressor

DEPTHS = (1, 2, 1, 1, 2, 1, 1, 2, 1)
HEADS = (1, 2, 2, 2, 2, 2, 2, 2, 1)


def tiny(img_size: int = 64) -> Uformer:
    """Windows of 4 pixels, so that the smallest square has 64 pixels a side."""
    network = Uformer(img_size, embed_dim=4, depths=DEPTHS, num_heads=HEADS, win_size=4)
    state = {
        key: draw_weight(key, value.shape, seed=0) if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    network.load_state_dict(state)
    return network.eval()


@torch.no_grad()
@pytest.mark.parametrize("img_size", [32, 64, 128])
def test_uformer_equals_spandrels(img_size: int) -> None:
    network = tiny(img_size)
    stages = {"depths": list(DEPTHS), "num_heads": list(HEADS)}
    peer = SpandrelUformer(img_size=img_size, embed_dim=4, win_size=4, modulator=True, **stages)
    peer.load_state_dict(network.state_dict())
    lq = make_input((2, 3, 64, 64), seed=1)
    torch.testing.assert_close(network(lq), peer.eval()(lq), atol=1e-5, rtol=1e-5)


def test_the_training_patch_decides_the_bottlenecks_shift() -> None:
    shifts = {size: [block.shift for block in tiny(size).conv.blocks] for size in (64, 128)}
    assert shifts == {64: [0, 0], 128: [0, 2]}


@torch.no_grad()
def test_other_sizes_are_centred_in_a_square() -> None:
    network = tiny()
    assert isinstance(network, Regressor)
    lq = make_input((1, 3, 41, 50), seed=2)
    square = torch.zeros(1, 3, 64, 64)
    square[..., 11:52, 7:57] = lq
    restored, feature = network.both(lq)
    torch.testing.assert_close(restored, network(square)[..., 11:52, 7:57])
    torch.testing.assert_close(feature, network.features(square)[..., 11:52, 7:57])
    torch.testing.assert_close(lq + network.output_proj.proj(network.features(square))[..., 11:52, 7:57], restored)


def test_drop_path_rises_and_falls() -> None:
    rates = _drop_path_rates(DEPTHS, 0.4)
    assert [len(stage) for stage in rates] == list(DEPTHS)
    flat = [rate for stage in rates for rate in stage]
    assert flat == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4, 0.3, 0.2, 0.1, 0])
    with pytest.raises(ValueError, match="9 stages"):
        _drop_path_rates((1,) * 8, 0.1)


def test_join_undoes_cut() -> None:
    image: Tensor = make_input((2, 12, 12, 5), seed=3)
    assert torch.equal(join(cut(image, 4), 12, 4), image)


def test_shift_mask_separates_what_the_roll_joined() -> None:
    side, window, shift = 8, 4, 2
    mask = shift_mask(side, window, shift, torch.device("cpu"))
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    original = torch.stack((y, x), dim=-1)[None].roll((-shift, -shift), dims=(1, 2))
    windows = cut(original, window)
    apart = (windows[:, None] - windows[:, :, None]).abs().amax(-1)
    assert torch.equal(mask != 0, apart >= window)
