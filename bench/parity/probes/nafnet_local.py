"""NAFNetLocal: as NAFNet, with the pooling window of the case's training size."""

from __future__ import annotations

from torch import nn

from bench.parity.oracle import Case
from bench.parity.probes.nafnet import run
from ugpnet.nn.nafnet import NAFNetLocal

__all__ = ["build", "run"]


def build(case: Case) -> nn.Module:
    values = case.constructor
    if values.get("fast_imp"):
        raise ValueError("NAFNetLocal: the approximate pooling `fast_imp` is not offered")
    return NAFNetLocal(
        values["img_channel"],
        values["width"],
        values["middle_blk_num"],
        values["enc_blk_nums"],
        values["dec_blk_nums"],
        train_size=tuple(values["train_size"][-2:]),
        base_size=tuple(values["base_size"]) if values.get("base_size") else None,
        dw_expand=values.get("DW_Expand", 2),
        ffn_expand=values.get("FFN_Expand", 2),
        drop_out_rate=values.get("drop_out_rate", 0.0),
    )
