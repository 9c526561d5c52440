"""UGPNet's modules against the paper's equations written out, and the augmentation against torchvision's affine."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.transforms.functional import InterpolationMode, affine

from ugpnet.augmentation import augment_together
from ugpnet.config import RegressorConfig, UGPNetConfig
from ugpnet.fusion import FusionModule
from ugpnet.model import UGPNet, build_regressor
from ugpnet.nn.condition import Basecode
from ugpnet.nn.nafnet import NAFNet
from ugpnet.nn.rrdbnet import RRDBNet
from ugpnet.nn.stylegan2 import StyleGAN2Generator
from ugpnet.nn.tap import Tap
from ugpnet.restoration import ResidualRestoration, restoration_module
from ugpnet.synthesis import SynthesisModule

State = dict[str, Tensor]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(batch: int = 2, size: int = 32, seed: int = 0) -> Tensor:
    return torch.rand(batch, 3, size, size, generator=seeded(seed))


def redraw(state: State, seed: int = 0) -> State:
    """The same shapes, every floating-point entry drawn anew: fresh networks have zeros that would hide mistakes."""
    generator = seeded(seed)
    return {
        name: torch.randn(value.shape, generator=generator) * 0.3 if value.is_floating_point() else value
        for name, value in state.items()
    }


def conv(x: Tensor, state: State, name: str) -> Tensor:
    return F.conv2d(x, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)


# ---- augmentation ----


def torchvision_affine(image: Tensor, step: int, generator: torch.Generator) -> Tensor:
    """The transform of `augment_together`, its values drawn again from an equally seeded generator."""

    def whole(most: int) -> int:
        return int(torch.randint(-most, most + 1, (), generator=generator))

    angle, shift, scale = 0.0, [0, 0], 1.0
    if step % 3 == 0:
        scale = float(7 / 8 + 1 / 4 * torch.rand((), generator=generator))
    elif step % 3 == 1:
        shift = [whole(8), whole(3)]  # 128/512 and 50/512 of 32 px
    else:
        angle = whole(5)
    moved: Tensor = affine(image, angle, shift, scale, [0.0, 0.0], InterpolationMode.NEAREST, fill=[0.0])
    return moved


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("seed", [1, 3, 5])  # of draws that move pixels
def test_augmentation_is_torchvision_s_affine(step: int, seed: int) -> None:
    image = images() + 0.01  # zeros come from outside only
    (augmented,) = augment_together((image,), step, seeded(seed))
    assert not torch.equal(augmented, image.clamp(0, 1))
    assert torch.equal(augmented, torchvision_affine(image, step, seeded(seed)).clamp(0, 1))


@pytest.mark.parametrize("step", [3, 4, 5])
def test_augmentation_is_one_transform_for_all_and_deterministic(step: int) -> None:
    x_reg, gt = images(2), images(2, seed=1)
    together = augment_together((x_reg, gt), step, seeded(3))
    apart = [augment_together((image,), step, seeded(3))[0] for image in (x_reg[:1], x_reg[1:], gt)]
    assert torch.equal(together[0], torch.cat(apart[:2]))
    assert torch.equal(together[1], apart[2])
    assert not torch.equal(together[1], augment_together((gt,), step, seeded(1))[0])


def test_augmentation_clamps() -> None:
    (augmented,) = augment_together((images() * 4 - 2,), 0, seeded(0))
    assert augmented.min() == 0
    assert augmented.max() == 1


# ---- restoration ----


def nafnet() -> NAFNet:
    network = NAFNet(3, 4, 1, (1,), (1,))
    network.load_state_dict(redraw(network.state_dict()))
    return network


def test_a_direct_network_is_the_restoration_module() -> None:
    network = RRDBNet(3, 3, 1, num_feat=4, num_block=1, num_grow_ch=2)
    assert restoration_module(network) is network


def test_a_residual_network_without_structure_encoder_is_used_as_it_is() -> None:
    network = nafnet()
    assert restoration_module(network, structure_encoder=False) is network


def test_a_residual_network_is_wrapped() -> None:
    module = restoration_module(nafnet(), channels=5)
    assert isinstance(module, ResidualRestoration)
    state = redraw(module.state_dict(), seed=1)
    module.load_state_dict(state)
    x = images()

    def stack(feature: Tensor, name: str) -> Tensor:
        for index in range(3):
            feature = F.leaky_relu(conv(feature, state, f"encoder.{name}.conv.{index}"), 0.2)
        return feature

    merged = stack(x, "input_encoder") + module.regression.features(x)  # type: ignore[operator]
    f_reg = stack(stack(merged, "merge_decoder.0"), "merge_decoder.1")
    x_reg = F.leaky_relu(conv(f_reg, state, "encoder.to_img.body.0"), 0.2)
    for ours, written in zip(module.both(x), (x_reg, f_reg), strict=True):
        torch.testing.assert_close(ours, written)
    assert f_reg.shape == (2, module.feature_channels, 32, 32)
    torch.testing.assert_close(module(x), x_reg)
    module(x).sum().backward()
    idle = {name for name, value in module.named_parameters() if value.grad is None}
    assert idle == {"regression.ending.weight", "regression.ending.bias"}


def test_a_network_without_features_is_sent_to_tap() -> None:
    with pytest.raises(TypeError, match=r"Conv2d gives no features: wrap it in ugpnet\.nn\.tap\.Tap"):
        restoration_module(nn.Conv2d(3, 3, 1))


# ---- synthesis ----

LAYOUTS = [(32, 8), (64, 16), (64, 8)]
"""Side of the images and of the F code."""


def synthesis(size: int = 32, spatial_size: int = 8) -> SynthesisModule:
    generator = StyleGAN2Generator(size, num_style_feat=6, num_mlp=1, channel_multiplier=1, narrow=1 / 64)
    module = SynthesisModule(generator, spatial_size, narrow=1 / 64).eval()
    state = redraw({name: value for name, value in module.state_dict().items() if "running" not in name})
    module.load_state_dict(state, strict=False)
    return module


def test_synthesis_refuses_other_sizes() -> None:
    with pytest.raises(ValueError, match="works on 32x32 px, not 24x16"):
        synthesis()(torch.rand(1, 3, 16, 24))


@pytest.mark.parametrize("spatial_size", [4, 12, 16, 32])
def test_spatial_size_has_bounds(spatial_size: int) -> None:
    with pytest.raises(ValueError, match=f"spatial_size {spatial_size}: a power of two from 8 to 8 is wanted"):
        synthesis(32, spatial_size)


@pytest.mark.parametrize(("size", "spatial_size"), LAYOUTS)
def test_generator_layers_below_the_code_have_no_effect(size: int, spatial_size: int) -> None:
    module, x = synthesis(size, spatial_size), images(1, size)
    level = (spatial_size // 4).bit_length() - 1
    below = ("generator.constant_input.", "generator.style_mlp.", "generator.style_conv1.", "generator.to_rgb1.",
             *(f"generator.style_convs.{index}." for index in range(2 * level - 1)),
             *(f"generator.to_rgbs.{index}." for index in range(level - 1)))  # fmt: skip
    before = module(x)
    before.square().sum().backward()
    for name, parameter in module.named_parameters():
        assert (parameter.grad is None) == name.startswith(below), name
    state = module.state_dict()
    other = {name: value + 1 if name.startswith(below) else value for name, value in state.items()}
    module.load_state_dict(other)
    assert torch.equal(module(x), before)
    assert any(name.startswith(below) for name in state)


@torch.no_grad()
@pytest.mark.parametrize(("size", "spatial_size"), LAYOUTS)
def test_only_latents_from_the_code_on_count(size: int, spatial_size: int) -> None:
    module = synthesis(size, spatial_size)
    code, latents = module.encode(images(1, size))
    first = 2 * ((spatial_size // 4).bit_length() - 1)
    assert latents.shape == (1, module.generator.num_latent, 6)
    assert torch.equal(latents[:, : first + 1], latents[:, :1].expand(-1, first + 1, -1))
    for index in range(first, module.generator.num_latent - 1):
        assert not torch.equal(latents[:, index], latents[:, index + 1])

    def image(changed: slice) -> Tensor:
        other = latents.clone()
        other[:, changed] += 1
        return module.generator.synthesize(other, Basecode(code), "stored")[0]

    unchanged = image(slice(0))
    assert torch.equal(image(slice(first)), unchanged)
    for index in range(first, module.generator.num_latent):
        assert not torch.equal(image(slice(index, index + 1)), unchanged), index


@torch.no_grad()
def test_f_syn_is_what_the_last_image_layer_reads() -> None:
    module, read = synthesis(), []
    module.generator.to_rgbs[-1].register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))
    x_syn, f_syn = module.both(images())
    assert torch.equal(f_syn, read[0])
    assert f_syn.shape == (2, module.feature_channels, 32, 32)
    code, latents = module.encode(images())
    image, _ = module.generator.synthesize(latents, Basecode(code), "stored")
    torch.testing.assert_close(x_syn, (image + 1) / 2)


# ---- fusion ----


@torch.no_grad()
@pytest.mark.parametrize("reg_channels", [5, 7])
def test_fusion_is_equation_1(reg_channels: int) -> None:
    module = FusionModule(6, reg_channels, channels=5, blocks=2)
    state = redraw(module.state_dict())
    module.load_state_dict(state)
    f_syn, f_reg = torch.rand(2, 6, 9, 9), torch.rand(2, reg_channels, 9, 9)
    feature = conv(f_syn, state, "conv") + (f_reg if reg_channels == 5 else conv(f_reg, state, "embed"))
    for block in range(2):
        inner = F.relu(conv(feature, state, f"body.{block}.body.0"))
        feature = F.relu(feature + conv(inner, state, f"body.{block}.body.2"))
    torch.testing.assert_close(module(f_syn, f_reg), conv(feature, state, "last"))
    assert any(name.startswith("embed") for name in state) == (reg_channels != 5)


# ---- the whole ----


class Direct(nn.Module):
    """A network of somebody else's."""

    def __init__(self) -> None:
        super().__init__()
        self.body, self.tail = nn.Conv2d(3, 5, 3, padding=1), nn.Conv2d(5, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        restored: Tensor = self.tail(self.body(x).relu())
        return restored


class Residual(Direct):
    def forward(self, x: Tensor) -> Tensor:
        return x + super().forward(x)


@torch.no_grad()
@pytest.mark.parametrize("fuse", ["features", "images"])
def test_parts_are_the_modules_in_a_row(tiny_config: UGPNetConfig, fuse: str) -> None:
    model = UGPNet(tiny_config.model_copy(update={"fuse": fuse})).eval()
    lq = images()
    parts = model.parts(lq)
    x_reg, f_reg = model.restoration.both(lq)  # type: ignore[operator]
    x_syn, f_syn = model.synthesis.both(x_reg)
    x_hat = model.fusion(f_syn, f_reg) if fuse == "features" else model.fusion(x_syn, x_reg)
    written = (x_reg, f_reg, x_syn, f_syn, x_hat)
    for field, expected in zip(fields(parts), written, strict=True):
        torch.testing.assert_close(getattr(parts, field.name), expected, msg=field.name)
    torch.testing.assert_close(model(lq), x_hat)
    assert model.fusion.conv.in_channels == (model.synthesis.feature_channels if fuse == "features" else 3)
    assert x_hat.shape == lq.shape


@torch.no_grad()
@pytest.mark.parametrize(("network", "restoration", "channels"), [
    (Direct(), Tap, 5),
    (Residual(), ResidualRestoration, 8),
])  # fmt: skip
def test_any_network_is_a_regressor(
    tiny_config: UGPNetConfig, network: nn.Module, restoration: type[nn.Module], channels: int
) -> None:
    model = UGPNet(tiny_config, regressor=Tap(network, images(1, seed=3)))
    assert isinstance(model.restoration, restoration)
    parts = model.parts(images())
    assert parts.f_reg.shape == (2, channels, 32, 32)
    assert parts.x_hat.shape == (2, 3, 32, 32)
    if isinstance(network, Direct) and not isinstance(network, Residual):
        assert torch.equal(parts.x_reg, network(images()))


@torch.no_grad()
def test_a_super_resolution_network_makes_the_generator_s_size(tiny_config: UGPNetConfig) -> None:
    arguments = {"scale": 8, "num_feat": 4, "num_block": 1, "num_grow_ch": 2}
    regressor = RegressorConfig(name="rrdbnet", arguments=arguments)
    model = UGPNet(tiny_config.model_copy(update={"regressor": regressor}))
    assert model(images(1, 4)).shape == (1, 3, 32, 32)
    with pytest.raises(ValueError, match="works on 32x32 px, not 64x64"):
        model(images(1, 8))


def test_an_unknown_argument_of_a_regressor_is_named() -> None:
    with pytest.raises(ValueError, match=r"unet has no argument 'widht'; it has .*depth"):
        build_regressor(RegressorConfig(name="unet", arguments={"widht": 4}))
