"""VQFR's patch discriminator: the first call after the fill."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.vqfr_discriminators import PatchDiscriminator


def build(case: Case) -> nn.Module:
    return PatchDiscriminator(**case.constructor)


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    names = set(case.manifest["tensors"]) - {"logit_map"}
    captured = capture(module, {name: name.replace("_", ".") for name in names})
    return {"logit_map": module(inputs[0])} | captured
