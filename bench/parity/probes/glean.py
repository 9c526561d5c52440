"""Probe of GLEAN on a StyleGAN2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from methods.networks.glean import GLEAN
from ugpnet.nn.stylegan2 import StyleGAN2Generator


def build(case: Case) -> nn.Module:
    made = case.constructor
    generator = StyleGAN2Generator(
        made["out_size"], made["style_channels"], made["num_mlps"], made["channel_multiplier"], made["blur_kernel"],
        made["lr_mlp"],
    )  # fmt: skip
    return GLEAN(made["in_size"], generator, made["img_channels"], made["rrdb_channels"], made["num_rrdbs"])


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    glean = cast(GLEAN, module)
    paths = {
        "encoder_feat_in_size": "encoder.0",
        "latent": f"encoder.{len(glean.encoder) - 1}",
        "fusion_out_last": f"fusion_out.{len(glean.fusion_out) - 1}",
        "fusion_skip_last": f"fusion_skip.{len(glean.fusion_skip) - 1}",
        "generator_last": f"generator.style_convs.{len(glean.generator.style_convs) - 1}",
        "decoder0": "decoder.0",
    }
    captured = capture(glean, paths)
    return {"output": glean(inputs[0])} | captured
