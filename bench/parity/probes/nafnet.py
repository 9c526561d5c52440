"""NAFNet: intermediate names `enc0`, `middle`, `dec3`, `enc0_block0_pool` are sub-modules."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from ugpnet.nn.nafnet import NAFNet


def build(case: Case) -> nn.Module:
    values = case.constructor
    return NAFNet(
        values["img_channel"],
        values["width"],
        values["middle_blk_num"],
        values["enc_blk_nums"],
        values["dec_blk_nums"],
        dw_expand=values.get("DW_Expand", 2),
        ffn_expand=values.get("FFN_Expand", 2),
        drop_out_rate=values.get("drop_out_rate", 0.0),
    )


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    inner = [label for label in case.manifest["tensors"] if label != "output"]
    captured = capture(module, {label: _path(label) for label in inner})
    return {"output": module(inputs[0])} | captured


def _path(label: str) -> str:
    """`enc0` -> `encoders.0`, `enc0_block0_pool` -> `encoders.0.0.sca.0`."""
    path = re.sub(r"^enc(\d+)", r"encoders.\1", re.sub(r"^dec(\d+)", r"decoders.\1", label))
    return re.sub(r"_block(\d+)_pool$", r".\1.sca.0", path).replace("middle", "middle_blks")
