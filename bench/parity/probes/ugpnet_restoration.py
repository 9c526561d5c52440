"""UGPNet's restoration module alone, around a residual regressor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from ugpnet.config import preset
from ugpnet.model import build_regressor
from ugpnet.restoration import ResidualRestoration, restoration_module


def build(case: Case) -> nn.Module:
    return restoration_module(build_regressor(preset(case.constructor["args"]["type"]).regressor))


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    restoration = cast(ResidualRestoration, module)
    captured = capture(module, {"input_encoder": "encoder.input_encoder"})
    x_reg, f_reg = restoration.both(inputs[0])
    feature = cast(ResidualRestoration, module).regression.features(inputs[0])  # type: ignore[operator]
    return {"I_R": x_reg, "F_R": f_reg, "backbone_feature": feature, **captured}
