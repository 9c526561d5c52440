"""GFP-GAN as published: labels are short names of sub-modules, `dec_` stands for those of the generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.gfpgan import GFPGANv1

STEMS = {"cond": "condition", "down": "conv_body_down", "up": "conv_body_up"}


def build(case: Case) -> nn.Module:
    return GFPGANv1(**constructor(case))


def constructor(case: Case) -> dict[str, Any]:
    """A network reads no file: the path of a prior is left out."""
    return {name: value for name, value in case.constructor.items() if name != "decoder_load_path"}


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    outputs = {"image", "out_rgb_first", "out_rgb_last"}
    captured = capture(module, {label: _path(label) for label in case.manifest["tensors"] if label not in outputs})
    image, images = module.restore(inputs[0], noise="stored")  # type: ignore[operator]
    return {"image": image, "out_rgb_first": images[0], "out_rgb_last": images[-1]} | captured


def _path(label: str) -> str:
    """`dec_style_convs_3` -> `stylegan_decoder.style_convs.3`, `cond_scale_1` -> `condition_scale.1`."""
    stem, _, index = label.rpartition("_")
    if not index.isdigit():
        stem, index = label, ""
    for short, name in STEMS.items():
        if stem == short or stem.startswith(f"{short}_"):
            stem = stem.replace(short, name, 1)
    path = stem.replace("dec_", "stylegan_decoder.", 1) if stem.startswith("dec_") else stem
    return f"{path}.{index}" if index else path
