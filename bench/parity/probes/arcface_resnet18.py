"""The identity network of GFP-GAN."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.arcface import ArcFaceResNet18


def build(case: Case) -> nn.Module:
    values = case.constructor
    if values.get("block", "IRBlock") != "IRBlock" or values.get("use_se", False):
        raise ValueError(f"{case.name}: only IRBlock without squeeze-and-excitation is built: {dict(values)}")
    return ArcFaceResNet18(tuple(values["layers"]))


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    names = {"stem": "maxpool"} | {f"layer{index}": f"layer{index}" for index in range(1, 5)}
    captured = capture(module, {label: path for label, path in names.items() if label in case.manifest["tensors"]})
    return {"embedding": module(inputs[0])} | captured
