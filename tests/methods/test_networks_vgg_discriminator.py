"""ESRGAN's discriminator: BasicSR's keys, shapes and size, and its forward pass spelled out."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from methods.networks.vgg_discriminator import VGGDiscriminator

# BasicSR 1.4.2, VGGStyleDiscriminator(3, 64, 128): output channels of conv{level}_{half}.
WIDTHS = {"0_0": 64, "0_1": 64, "1_0": 128, "1_1": 128, "2_0": 256, "2_1": 256, "3_0": 512, "3_1": 512,
          "4_0": 512, "4_1": 512}  # fmt: skip
STATISTICS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def test_keys_and_shapes_are_basicsr_s() -> None:
    state = VGGDiscriminator().state_dict()
    keys = {f"conv{name}.weight" for name in WIDTHS} | {"conv0_0.bias"}
    keys |= {f"bn{name}.{entry}" for name in WIDTHS if name != "0_0" for entry in STATISTICS}
    keys |= {f"linear{index}.{entry}" for index in (1, 2) for entry in ("weight", "bias")}
    assert set(state) == keys
    widths = [3, *WIDTHS.values()]
    for width, (name, out) in zip(widths, WIDTHS.items(), strict=False):
        side = 3 if name.endswith("_0") else 4
        assert state[f"conv{name}.weight"].shape == (out, width, side, side)
    assert state["linear1.weight"].shape == (100, 512 * 16)
    assert sum(weight.numel() for weight in VGGDiscriminator().parameters()) == 14_499_401


def test_256_has_one_level_more() -> None:
    small, large = (VGGDiscriminator(num_feat=2, input_size=size).state_dict() for size in (128, 256))
    extra = set(large) - set(small)
    assert {key.split(".")[0] for key in extra} == {"conv5_0", "bn5_0", "conv5_1", "bn5_1"}


def spelled_out(state: dict[str, Tensor], x: Tensor) -> Tensor:
    def normalised(name: str, x: Tensor) -> Tensor:
        weight, bias, mean, var = (state[f"bn{name}.{entry}"].view(1, -1, 1, 1) for entry in STATISTICS[:4])
        return (x - mean) / torch.sqrt(var + 1e-5) * weight + bias

    x = F.leaky_relu(F.conv2d(x, state["conv0_0.weight"], state["conv0_0.bias"], padding=1), 0.2)
    x = F.leaky_relu(normalised("0_1", F.conv2d(x, state["conv0_1.weight"], stride=2, padding=1)), 0.2)
    for level in range(1, 5):
        x = F.conv2d(x, state[f"conv{level}_0.weight"], padding=1)
        x = F.leaky_relu(normalised(f"{level}_0", x), 0.2)
        x = F.conv2d(x, state[f"conv{level}_1.weight"], stride=2, padding=1)
        x = F.leaky_relu(normalised(f"{level}_1", x), 0.2)
    x = F.leaky_relu(F.linear(x.flatten(1), state["linear1.weight"], state["linear1.bias"]), 0.2)
    return F.linear(x, state["linear2.weight"], state["linear2.bias"])


def test_forward_is_the_released_one() -> None:
    torch.manual_seed(0)
    network = VGGDiscriminator(num_feat=4)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.startswith("bn") and tensor.is_floating_point():
                tensor.copy_(torch.rand_like(tensor) + 0.5)
        image = torch.rand(2, 3, 128, 128)
        torch.testing.assert_close(network.eval()(image), spelled_out(network.state_dict(), image))


@pytest.mark.parametrize("size", [8, 32, 64])
def test_smaller_images(size: int) -> None:
    assert VGGDiscriminator(num_feat=2, input_size=size)(torch.rand(2, 3, size, size)).shape == (2, 1)


def test_wrong_sizes_are_named() -> None:
    for size in (0, 4, 96, 130):
        with pytest.raises(ValueError, match=f"input_size {size} is not a power of two"):
            VGGDiscriminator(input_size=size)
    with pytest.raises(ValueError, match="images of 64x128, discriminator for 128"):
        VGGDiscriminator(num_feat=2)(torch.rand(1, 3, 64, 128))
