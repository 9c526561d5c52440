"""Warm starts of R_se, R_mg and the fusion module, for trainings far shorter than the paper's.

Released, these parts begin at random, and what their network restored before has to be learned again. Here they begin
by passing it on.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, TypeAlias, cast

import torch
from torch import Tensor, nn

from ugpnet.fusion import FusionModule
from ugpnet.nn.tap import Tap
from ugpnet.restoration import ResidualRestoration

OFFSET = 1.0
"""Added to f_reg, so that LeakyReLU and ReLU leave what is below zero as it is."""

Fuses: TypeAlias = Literal["features", "images"]

MID_GREY = 0.5
RIDGE = 0.05
"""Of the inverse of the image head, in its largest singular value: an exact inverse amplifies what LeakyReLU cuts."""


@torch.no_grad()
def start_restoration(restoration: nn.Module, example: Tensor) -> None:
    """Begin with x_reg near the regression network's own output; `example` (1,3,h,w) is one that it does not pad.

    R_se writes the image into f_reg such that the network's own head reads it back, R_mg passes f_reg on, and `to_img` is
    that head. The border of one pixel is wrong at first, as zeros pad what `OFFSET` has lifted.
    Raises ValueError where `restoration` has no R_mg, or one narrower than the network's feature.
    """
    if not isinstance(restoration, ResidualRestoration):
        raise ValueError("init: regressor needs R_se and R_mg; this restoration module has none")
    head, encoder = _image_head(restoration.regression, example), restoration.encoder
    width, channels = head.in_channels, restoration.feature_channels
    if channels < width:
        raise ValueError(
            f"init: regressor needs R_mg at least as wide as the regressor's feature: {channels} < {width}"
        )
    first, *others = (
        conv for stack in (encoder.input_encoder, *encoder.merge_decoder) for conv in _convolutions(stack)
    )
    write = _inverse(head)
    _set(first, write, OFFSET - MID_GREY * write.sum((1, 2, 3)))
    for conv in others:
        _pass_on(conv, width)
    read = cast(nn.Conv2d, encoder.to_img.body[0])
    weight = torch.zeros_like(read.weight)
    weight[:, :width] = head.weight
    bias = torch.zeros(()) if head.bias is None else head.bias
    _set(read, weight, bias + MID_GREY - OFFSET * head.weight.sum((1, 2, 3)))


@torch.no_grad()
def start_fusion(fusion: FusionModule, restoration: nn.Module, fuses: Fuses, example: Tensor) -> None:
    """Begin as what makes x_reg of the map that is fused: the restoration module's image head on f_reg, or x_reg itself.

    `example` is as in `start_restoration`. Blocks pass the map on, f_syn or x_syn adds nothing yet, and `OFFSET` keeps ReLU
    from cutting it (the feature of R_mg has been lifted before). A residual network without R_mg begins with its residual
    alone: what its feature lacks (Table 3, row a) cannot be passed on.
    Raises ValueError where the fusion module is narrower than the map.
    """
    weight, bias = _reader(restoration, fuses, example)
    channels, width = weight.shape[1], fusion.last.in_channels
    if channels > width:
        raise ValueError(
            f"init: restoration needs a fusion module at least as wide as what it fuses: {width} < {channels}"
        )
    lift = 0.0 if fuses == "features" and isinstance(restoration, ResidualRestoration) else OFFSET
    _set(fusion.conv, torch.zeros_like(fusion.conv.weight), torch.full((width,), lift))
    if isinstance(fusion.embed, nn.Conv2d):
        _pass_on(fusion.embed, channels)
    for block in fusion.body:
        nn.init.zeros_(block.get_parameter("body.2.weight"))
    read = torch.zeros_like(fusion.last.weight)
    read[:, :channels] = weight
    _set(fusion.last, read, bias - lift * weight.sum((1, 2, 3)))


def _reader(restoration: nn.Module, fuses: Fuses, example: Tensor) -> tuple[Tensor, Tensor]:
    """Weight (3,C,3,3) and bias (3,) of the convolution that makes x_reg of what is fused."""
    if fuses == "images":
        weight = torch.zeros(3, 3, 3, 3)
        weight[range(3), range(3), 1, 1] = 1
        return weight, torch.zeros(3)
    if isinstance(restoration, ResidualRestoration):
        head = cast(nn.Conv2d, restoration.encoder.to_img.body[0])
    else:
        head = _image_head(restoration, example)
    return head.weight, torch.zeros(3) if head.bias is None else head.bias


def _image_head(regression: nn.Module, example: Tensor) -> nn.Conv2d:
    tap = regression if isinstance(regression, Tap) else Tap(regression, example)
    if tap.upscale > 1:
        raise ValueError("init: a warm start needs an image head at the image's own size, not before a PixelShuffle")
    return cast(nn.Conv2d, tap.network.get_submodule(tap.head))


def _convolutions(stack: nn.Module) -> Iterator[nn.Conv2d]:
    return (module for module in stack.modules() if isinstance(module, nn.Conv2d))


def _set(conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> None:
    conv.get_parameter("weight").copy_(weight)
    conv.get_parameter("bias").copy_(bias)


def _inverse(head: nn.Conv2d) -> Tensor:
    """A 3x3 convolution (C,3,3,3) after which `head` (3,C,3,3) is close to the identity: ridge regression on its taps."""
    taps = head.weight.detach().double().cpu()
    channels = head.in_channels
    composed = torch.zeros(3, 5, 5, channels, 3, 3, dtype=torch.float64)  # head after a unit at (channel, y, x)
    for y in range(3):
        for x in range(3):
            composed[:, y : y + 3, x : x + 3, :, y, x] = taps.permute(0, 2, 3, 1)
    identity = torch.zeros(3, 5, 5, 3, dtype=torch.float64)
    identity[:, 2, 2] = torch.eye(3, dtype=torch.float64)
    system = composed.flatten(3).flatten(0, 2)
    ridge = (RIDGE * torch.linalg.matrix_norm(system, 2)) ** 2
    gram = system @ system.T + ridge * torch.eye(len(system), dtype=torch.float64)
    solution = system.T @ torch.linalg.solve(gram, identity.flatten(0, 2))
    inverse: Tensor = solution.reshape(channels, 3, 3, 3).permute(0, 3, 1, 2).to(head.weight)
    return inverse


def _pass_on(conv: nn.Conv2d, width: int) -> None:
    """The first `width` channels leave as they came; the others keep their random weights."""
    weight = conv.weight.clone()
    weight[:width] = 0
    weight[range(width), range(width), 1, 1] = 1
    _set(conv, weight, torch.zeros(()))
