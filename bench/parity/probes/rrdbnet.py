"""RRDBNet at any scale; `F_R` and `feat_before_last` are the same 64-channel feature."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from ugpnet.nn.rrdbnet import RRDBNet

CONSTRUCTOR = ("num_in_ch", "num_out_ch", "scale", "num_feat", "num_block", "num_grow_ch")


def build(case: Case) -> nn.Module:
    return RRDBNet(*(case.constructor[name] for name in CONSTRUCTOR))


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    captured = capture(module, {"rrdb0": "body.0", "conv_body": "conv_body"})
    restored, feature = cast(RRDBNet, module).both(inputs[0])
    return captured | {"F_R": feature, "feat_before_last": feature, "output": restored}
