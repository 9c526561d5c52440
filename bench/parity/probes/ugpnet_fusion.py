"""UGPNet's fusion module alone."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case, capture, make_input
from ugpnet.fusion import FusionModule


def build(case: Case) -> nn.Module:
    return FusionModule(case.constructor["chan"], blocks=case.constructor["num_block"])


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    """The first input is f_syn; f_reg, always of 64 channels, is drawn with the seed after it."""
    entry = case.manifest["input"]
    batch, _, height, width = entry["shape"]
    f_reg = make_input((batch, 64, height, width), entry["seed"] + 1, entry["low"], entry["high"])
    captured = capture(module, {"block0": "body.0"})
    return {"output": module(inputs[0], f_reg), **captured}
