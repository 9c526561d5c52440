"""Probe of GPEN's discriminator."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.gpen import GPENDiscriminator


def build(case: Case) -> nn.Module:
    return GPENDiscriminator(**{name: value for name, value in case.constructor.items() if name != "device"})


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    names = set(case.manifest["tensors"]) - {"logit"}
    captured = capture(module, {name: name.replace("convs_", "conv_body.") for name in names})
    return {"logit": module(inputs[0])} | captured
