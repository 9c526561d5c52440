"""GFP-GAN's clean generator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.gfpgan import GFPGANv1Clean


def build(case: Case) -> nn.Module:
    given = case.constructor
    if not given["input_is_latent"]:
        raise ValueError("the released models feed latents, not codes, to the decoder")
    names = ("out_size", "num_style_feat", "channel_multiplier", "num_mlp", "different_w", "narrow", "sft_half")
    return GFPGANv1Clean(**{name: given[name] for name in names})


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    network = cast(GFPGANv1Clean, module)
    captured = capture(
        network, {label: _path(label) for label in case.manifest["tensors"] if "_" in label and "out_rgb" not in label}
    )
    image, rgbs = network.pyramid(inputs[0], noise="stored")
    return {**captured, "image": image, "out_rgb_first": rgbs[0], "out_rgb_last": rgbs[-1]}


def _path(label: str) -> str:
    """`dec_style_convs_3` -> `stylegan_decoder.style_convs.3` and the like."""
    name, _, index = label.rpartition("_")
    parts = {
        "down": "conv_body_down",
        "up": "conv_body_up",
        "cond_scale": "condition_scale",
        "cond_shift": "condition_shift",
    }
    if label.startswith("dec_"):
        inner = label.removeprefix("dec_")
        head, _, number = inner.rpartition("_")
        return f"stylegan_decoder.{head}.{number}" if number.isdigit() else f"stylegan_decoder.{inner}"
    return f"{parts[name]}.{index}" if index.isdigit() else label
