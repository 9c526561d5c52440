"""Probe of GCFSR's restoration network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

from bench.parity.oracle import Case, capture, make_input
from methods.networks.gcfsr import GCFSR

NOISE_SEED = 100
STRENGTH = 0.25


def build(case: Case) -> nn.Module:
    return GCFSR(**case.constructor)


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    network, x = cast(GCFSR, module), inputs[0]
    noise = noise_maps(network)
    at_one = network(x, torch.ones(len(x), 1), noise)
    captured = capture_named(network, case)
    image, latents = network.synthesize(x, torch.full((len(x), 1), STRENGTH), noise)
    return {"image": image, "latents": latents, "image_in_size_1": at_one} | captured


def noise_maps(network: GCFSR) -> list[Tensor]:
    """One given map per style convolution."""
    return [make_input(shape, NOISE_SEED + index, -1.0, 1.0) for index, shape in enumerate(network.noise_shapes())]


def capture_named(network: GCFSR, case: Case) -> dict[str, Tensor]:
    names = set(case.manifest["tensors"]) - {"image", "latents", "image_in_size_1"}
    return capture(network, {name: _path(name, network.levels) for name in names})


def _path(name: str, last: int) -> str:
    """`cond_shift_last` is `condition_shift.5`, `style_convs_3` the sub-module `style_convs.3`."""
    name = re.sub(r"^cond_", "condition_", re.sub(r"_last$", f"_{last}", name))
    return re.sub(r"_(\d+)$", r".\1", name)
