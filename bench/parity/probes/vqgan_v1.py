"""VQGAN of VQFR's first version. `arguments` reads the released constructor for both of that version's networks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from typing import Any, cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.vqgan_v1 import VQGANv1

SAME = ("base_channels", "channel_multipliers", "resolution_scale_rates", "encoder_num_blocks", "decoder_num_blocks")


def arguments(constructor: Mapping[str, Any]) -> dict[str, Any]:
    """Our arguments. ValueError where something other than the coarsest level is quantised."""
    coarsest = prod(constructor["resolution_scale_rates"])
    name, levels = f"Level_{coarsest}", constructor["quantizer_opt"]
    if list(levels) != [name] or constructor["quant_level"] != [name] or constructor["proj_patch_size"] != coarsest:
        raise ValueError(f"VQGAN: {constructor['quant_level']} are quantised, not {name} alone")
    codes = {key: levels[name][key] for key in ("num_code", "code_dim")}
    return {key: constructor[key] for key in SAME} | codes


def paths(tensors: Mapping[str, Any]) -> dict[str, str]:
    """The modules whose outputs are listed: `enc_level_1`, `dec_level_8`."""
    kinds = {"enc": "encoder.encoder_dict", "dec": "decoder.decoder_dict"}
    found = {label: re.fullmatch(r"(enc|dec)_level_(\d+)", label) for label in tensors}
    return {label: f"{kinds[match[1]]}.Level_{match[2]}" for label, match in found.items() if match}


def build(case: Case) -> nn.Module:
    return VQGANv1(**arguments(case.constructor))


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    network = cast(VQGANv1, module)
    captured = capture(network, paths(case.manifest["tensors"]))
    dec, quantized = network(inputs[0])
    return captured | {
        "dec": dec, "codebook_loss": quantized.loss, "code_index": quantized.index, "z_conv": network.encode(inputs[0])
    }  # fmt: skip
