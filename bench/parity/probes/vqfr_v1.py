"""VQFR's first version: both decoders, the dictionary and the warping between them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from bench.parity.probes import vqgan_v1
from methods.networks.vqfr_v1 import VQFRv1


def build(case: Case) -> nn.Module:
    values = case.constructor
    prior, align = values["inpfeat_extraction_opt"], values["align_opt"]
    groups = {level["deformable_groups"] for level in align.values()}
    odd = {name: level for name, level in align.items() if name != f"Level_{level['cond_downscale_rate']}"
           or level["cond_channels"] != prior["out_dim"]}  # fmt: skip
    if odd or len(groups) > 1 or prior["in_dim"] != 3:
        raise ValueError(f"VQFR: {odd or align} does not fit the input feature, or its levels differ")
    return VQFRv1(**vqgan_v1.arguments(values), inpfeat_dim=prior["out_dim"], deformable_groups=groups.pop())


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    network, tensors = cast(VQFRv1, module), case.manifest["tensors"]
    captured = capture(network, vqgan_v1.paths(tensors) | warping_paths(tensors, "main_decoder"))
    restored = network(inputs[0])
    quantized = network.codebook(restored.z)
    return captured | {
        "main_dec": restored.main, "dec": restored.texture, "z_conv": restored.z,
        "z_quant_before_conv": quantized.code, "code_index": quantized.index,
    }  # fmt: skip


def warping_paths(tensors: Mapping[str, Any], decoder: str) -> dict[str, str]:
    """The modules behind `warp_offset_level_32`, `dcn_level_4` and `main_level_4` of the named decoder."""
    kinds = {
        "warp_offset_level_": "align_func_dict.Level_{}.offset_conv2",
        "dcn_level_": "align_func_dict.Level_{}.dcn",
        "main_level_": "decoder_dict.Level_{}",
    }
    found = {}
    for label in tensors:
        for start, path in kinds.items():
            if label.startswith(start):
                found[label] = f"{decoder}.{path.format(label.removeprefix(start))}"
    return found
