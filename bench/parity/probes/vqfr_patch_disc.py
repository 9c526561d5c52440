"""VQFR's patch discriminator: the first call after the fill."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.vqfr_discriminators import PatchDiscriminator


def build(case: Case) -> nn.Module:
    return PatchDiscriminator(**case.constructor)


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    captured = capture(module, {name: name.replace("_", ".") for name in case.manifest["tensors"] if name != "logit_map"})
    return {"logit_map": module(inputs[0])} | captured
