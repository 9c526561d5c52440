"""Probe of GPEN's restoration network."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.gpen import GPEN


def build(case: Case) -> nn.Module:
    return GPEN(**{name: value for name, value in case.constructor.items() if name != "device"})


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    names = set(case.manifest["tensors"]) - {"image", "latents"}
    captured = capture(module, {name: _path(name) for name in names})
    image, latents = cast(GPEN, module).synthesize(inputs[0])
    return {"image": image, "latents": latents} | captured


def _path(name: str) -> str:
    """`convs_2` is `generator.style_convs.2`, `to_rgb1` the generator's; `ecd3` and `final_linear` are their own."""
    name = re.sub(r"_(\d+)$", r".\1", name)
    return re.sub(r"^(?=to_rgb)", "generator.", re.sub(r"^(?=conv)", "generator.style_", name))
