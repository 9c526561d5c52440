"""Probe of the StyleGAN2 discriminator."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from ugpnet.nn.discriminator import StyleGAN2Discriminator


def build(case: Case) -> nn.Module:
    return StyleGAN2Discriminator(**case.constructor)


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    names = set(case.manifest["tensors"]) - {"logit"}
    captured = capture(module, {name: name.replace("conv_body_", "conv_body.") for name in names})
    return {"logit": module(inputs[0])} | captured
