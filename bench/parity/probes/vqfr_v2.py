"""VQFR's second version at every fidelity ratio that the case lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from bench.parity.probes import vqgan_v2
from bench.parity.probes.vqfr_v1 import warping_paths
from methods.networks.vqfr_v2 import VQFRv2

RATIO = "main_dec_w"


def build(case: Case) -> nn.Module:
    values = case.constructor
    align = values["align_opt"]
    if align["cond_channels"] != values["inpfeat_dim"]:
        raise ValueError(f"VQFR: {align} does not fit the input feature of {values['inpfeat_dim']} channels")
    return VQFRv2(
        **vqgan_v2.arguments(values), inpfeat_dim=values["inpfeat_dim"], deformable_groups=align["deformable_groups"],
        code_selection_mode=values["code_selection_mode"],
    )  # fmt: skip


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    network, tensors = cast(VQFRv2, module), case.manifest["tensors"]
    captured = capture(network, vqgan_v2.paths(tensors) | warping_paths(tensors, "main_branch"))
    labels = [label for label in tensors if label.startswith(RATIO)]
    images = {label: network(inputs[0], float(label.removeprefix(RATIO))) for label in labels}
    last = images[labels[-1]]
    if last.logits is None:
        raise ValueError("VQFR: the case lists the logits of a network that predicts none")
    return captured | {label: restored.main for label, restored in images.items()} | {
        "texture_dec": last.texture, "enc_feat": last.z, "quant_logit": last.logits, "code_index": last.logits.argmax(2)
    }  # fmt: skip
