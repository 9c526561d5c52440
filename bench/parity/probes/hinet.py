"""HINet: both stages' images and the features between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from ugpnet.nn.hinet import HINet

CONSTRUCTOR = ("in_chn", "wf", "depth", "relu_slope", "hin_position_left", "hin_position_right")


def build(case: Case) -> nn.Module:
    return HINet(*(case.constructor[name] for name in CONSTRUCTOR))


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    network = cast(HINet, module)
    captured = capture(network, {"bottleneck_stage1": f"down_path_1.{len(network.down_path_1) - 1}",
                                 "sam": "sam12", "stage2_in": "cat12"})  # fmt: skip
    first, restored = network.stage_outputs(inputs[0])
    sam_feature, _ = captured.pop("sam")
    return captured | {
        "sam_feature": sam_feature,
        "stage2_feat": network.features(inputs[0]),
        "output": restored,
        "output_stage1": first,
    }
