"""VQGAN of VQFR's second version. `arguments` reads the released constructor for both of that version's networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.vqgan_v2 import VQGANv2

SAME = (
    "base_channels", "channel_multipliers", "num_enc_blocks", "use_enc_attention", "num_dec_blocks",
    "use_dec_attention", "code_dim",
)  # fmt: skip


def arguments(constructor: Mapping[str, Any]) -> dict[str, Any]:
    return {key: constructor[key] for key in SAME} | {"num_code": constructor["quantizer_opt"]["num_code"]}


def paths(tensors: Mapping[str, Any]) -> dict[str, str]:
    """The modules whose outputs are listed: `enc_block_2`, `dec_mid`."""
    return {
        label: re.sub(r"^(enc|dec)_(block|mid)(?:_(\d+))?$", _module, label)
        for label in tensors
        if re.match(r"(enc|dec)_(block|mid)", label)
    }


def _module(match: re.Match[str]) -> str:
    part = "mid_blocks" if match[2] == "mid" else f"blocks.{match[3]}"
    return f"{match[1]}oder.{part}"


def build(case: Case) -> nn.Module:
    return VQGANv2(**arguments(case.constructor))


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    network = cast(VQGANv2, module)
    captured = capture(network, paths(case.manifest["tensors"]))
    dec, quantized = network(inputs[0])
    return captured | {
        "dec": dec, "quant_feat": quantized.code, "code_index": quantized.index, "codebook_loss": quantized.loss
    }  # fmt: skip
