"""The paper's four regressors: released keys, golden outputs, sizes, features; against spandrel's NAFNet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from spandrel.architectures.NAFNet import NAFNet as SpandrelNAFNet
from torch import Tensor, nn
from torch.nn import functional as F

from bench.parity.oracle import draw_weight, make_input
from ugpnet.nn.hinet import HINet
from ugpnet.nn.nafnet import LocalAveragePool, NAFNet, NAFNetLocal
from ugpnet.nn.regressor import Regressor
from ugpnet.nn.rrdbnet import RRDBNet
from ugpnet.nn.unet import UNet

GOLDENS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "goldens" / "regressors.json").read_text())

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "nafnet": lambda: NAFNet(3, 4, 1, (1, 2), (1, 1)),
    "nafnet_local": lambda: NAFNetLocal(3, 4, 1, (1, 1), (1, 1), train_size=(18, 16)),
    "hinet": lambda: HINet(3, 4, depth=3, hin_position_left=1),
    "hinet_ugpnet": lambda: HINet(3, 4, depth=3, hin_position_left=1, second_stem="shared"),
    "unet": lambda: UNet(4, depth=3),
    "rrdbnet_x1": lambda: RRDBNet(3, 3, 1, num_feat=8, num_block=1, num_grow_ch=4),
    "rrdbnet_x2": lambda: RRDBNet(3, 3, 2, num_feat=8, num_block=1, num_grow_ch=4),
    "rrdbnet_x4": lambda: RRDBNet(3, 3, 4, num_feat=8, num_block=1, num_grow_ch=4),
    "rrdbnet_x8": lambda: RRDBNet(3, 3, 8, num_feat=8, num_block=1, num_grow_ch=4),
}
HEADS = {"nafnet": "ending", "hinet": "last", "unet": "head", "rrdbnet": "conv_last"}


@pytest.fixture(params=NETWORKS)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def filled(name: str) -> nn.Module:
    """The network with the parity oracles' weights."""
    network = NETWORKS[name]().eval()
    state = {key: draw_weight(key, value.shape, seed=0) for key, value in network.state_dict().items()}
    network.load_state_dict(state)
    return network


def regressor(name: str) -> Regressor:
    network = filled(name)
    assert isinstance(network, Regressor)
    return network


def test_state_dict_has_the_released_keys_and_shapes(name: str) -> None:
    state = {key: list(value.shape) for key, value in NETWORKS[name]().state_dict().items()}
    assert state == GOLDENS[name]["state"]


@torch.no_grad()
def test_output_equals_the_golden(name: str) -> None:
    restored = regressor(name)(make_input((1, 3, 36, 44), seed=0))
    golden = torch.tensor(GOLDENS[name]["output"])
    torch.testing.assert_close(restored[0, :, 5::16, 7::16].flatten()[:12], golden, atol=1e-4, rtol=1e-4)


@torch.no_grad()
@pytest.mark.parametrize("size", [(13, 17), (31, 16), (32, 32)])
def test_any_size_gives_a_scaled_image_and_feature(name: str, size: tuple[int, int]) -> None:
    network = regressor(name)
    lq = make_input((2, 3, *size), seed=1)
    restored, feature = network.both(lq)
    scaled = (size[0] * network.scale, size[1] * network.scale)
    assert restored.shape == (2, 3, *scaled)
    assert feature.shape == (2, network.feature_channels, *scaled)
    torch.testing.assert_close(network(lq), restored)
    torch.testing.assert_close(network.features(lq), feature)


@torch.no_grad()
def test_the_head_over_the_features_makes_the_image(name: str) -> None:
    network = filled(name)
    assert isinstance(network, Regressor)
    lq = make_input((1, 3, 32, 48), seed=2)
    head = network.get_submodule(HEADS[name.split("_")[0]])
    made = head(network.features(lq)) + (lq if network.residual else 0)
    torch.testing.assert_close(made, network(lq))


def test_every_parameter_that_is_used_gets_a_gradient(name: str) -> None:
    network = filled(name)
    network(make_input((1, 3, 16, 16), seed=3)).square().sum().backward()
    unused = {key for key, value in network.named_parameters() if value.grad is None}
    # UGPNet's HINet keeps conv_02 for its checkpoints; the first stage's image only gates.
    assert unused == ({"conv_02.weight", "conv_02.bias"} if name == "hinet_ugpnet" else set())


def test_a_fresh_nafnet_block_is_the_identity() -> None:
    block = NAFNet(3, 4, 1, (1,), (1,)).middle_blks[0]
    x = make_input((1, 8, 6, 6), seed=0)
    torch.testing.assert_close(block(x), x)


@torch.no_grad()
def test_nafnet_equals_spandrels() -> None:
    network = filled("nafnet")
    peer = SpandrelNAFNet(img_channel=3, width=4, middle_blk_num=1, enc_blk_nums=[1, 2], dec_blk_nums=[1, 1])
    peer.load_state_dict(network.state_dict())
    lq = make_input((2, 3, 19, 30), seed=4)
    torch.testing.assert_close(network(lq), peer.eval()(lq), atol=1e-5, rtol=1e-5)


@torch.no_grad()
@pytest.mark.parametrize("window", [(3, 5), (4, 7), (9, 2), (20, 6)])
def test_local_pool_is_a_box_filter_with_replicated_borders(window: tuple[int, int]) -> None:
    x = make_input((2, 3, 9, 12), seed=5)
    means = F.avg_pool2d(x, (min(window[0], 9), min(window[1], 12)), stride=1)
    rows, columns = 9 - means.shape[2], 12 - means.shape[3]
    expected = F.pad(means, (columns // 2, -(-columns // 2), rows // 2, -(-rows // 2)), mode="replicate")
    torch.testing.assert_close(LocalAveragePool(window)(x), expected)


@torch.no_grad()
def test_local_pool_over_the_whole_map_is_the_global_mean() -> None:
    x = make_input((2, 3, 9, 12), seed=6)
    torch.testing.assert_close(LocalAveragePool((9, 12))(x), x.mean((2, 3), keepdim=True))


def test_local_windows_are_one_and_a_half_training_patches() -> None:
    network = NAFNetLocal(3, 4, 1, (1, 1, 1, 1), (1, 1, 1, 1), train_size=(256, 256))
    pools = [module for module in network.modules() if isinstance(module, LocalAveragePool)]
    assert [pool.window[0] for pool in pools[:5]] == [384, 192, 96, 48, 24]


@torch.no_grad()
def test_hinet_gives_both_stages_and_the_shared_stem_changes_the_second() -> None:
    original, ugpnet = filled("hinet"), filled("hinet_ugpnet")
    assert isinstance(original, HINet)
    assert isinstance(ugpnet, HINet)
    lq: Tensor = make_input((1, 3, 22, 30), seed=7)
    first, second = original.stage_outputs(lq)
    first_ugpnet, second_ugpnet = ugpnet.stage_outputs(lq)
    torch.testing.assert_close(second, original(lq))
    torch.testing.assert_close(first, first_ugpnet)
    assert (second - second_ugpnet).abs().max() > 1e-3


def test_rrdbnet_refuses_other_scales() -> None:
    with pytest.raises(ValueError, match="scale 3 is not one of"):
        RRDBNet(scale=3)  # type: ignore[arg-type]


def test_nafnet_refuses_uneven_levels() -> None:
    with pytest.raises(ValueError, match="2 encoder levels but 1 decoder levels"):
        NAFNet(3, 4, 1, (1, 1), (1,))
