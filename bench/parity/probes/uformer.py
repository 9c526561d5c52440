"""Uformer: token outputs of the stages; the padded case adds the raw square and clamps its cut-out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.uformer import Uformer, centre_in_square

POSITIONAL = ("img_size", "dd_in", "embed_dim", "depths", "num_heads", "win_size", "mlp_ratio")
FIXED = {"token_projection": "linear", "token_mlp": "leff"}


def build(case: Case) -> nn.Module:
    values = case.constructor
    if other := {name: values[name] for name, value in FIXED.items() if values.get(name, value) != value}:
        raise ValueError(f"Uformer: {other} is in no released model")
    return Uformer(
        *(values[name] for name in POSITIONAL),
        qkv_bias=values["qkv_bias"],
        drop_path_rate=values["drop_path_rate"],
        modulator=values["modulator"],
    )


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    network, lq = cast(Uformer, module), inputs[0]
    tokens = [label for label in case.manifest["tensors"] if not label.startswith("output")]
    captured = capture(network, {label: _path(label) for label in tokens})
    if "output_square" not in case.manifest["tensors"]:
        return captured | {"output": network(lq)}
    square, _, _ = centre_in_square(lq, network.size_multiple)
    return captured | {"output_square": network(square), "output": network(lq).clamp(0, 1)}


def _path(label: str) -> str:
    """`enc0_tokens` -> `encoderlayer_0`, `enc1_block1_attn_out` -> `encoderlayer_1.blocks.1.attn`."""
    path = re.sub(r"^(enc|dec)(\d+)", r"\1oderlayer_\2", label).removesuffix("_tokens")
    return re.sub(r"_block(\d+)_attn_out$", r".blocks.\1.attn", path).replace("bottleneck", "conv")
