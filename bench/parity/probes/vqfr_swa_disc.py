"""VQFR's wavelet discriminator: the first call after the fill."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.vqfr_discriminators import SWADiscriminator


def build(case: Case) -> nn.Module:
    return SWADiscriminator(**case.constructor)


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    names = set(case.manifest["tensors"]) - {"logit"}
    captured = capture(module, {name: name.replace("convs_", "convs.") for name in names})
    return {"logit": module(inputs[0])} | captured
