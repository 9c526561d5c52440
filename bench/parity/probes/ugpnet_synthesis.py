"""UGPNet's synthesis module alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case
from ugpnet.config import GeneratorConfig
from ugpnet.model import build_generator
from ugpnet.synthesis import SynthesisModule


def build(case: Case) -> nn.Module:
    generator = case.constructor["generator"]
    known = {name: generator[name] for name in GeneratorConfig.model_fields if name in generator}
    return SynthesisModule(build_generator(GeneratorConfig(**known)), case.constructor["args"]["spatial_size"])


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    synthesis = cast(SynthesisModule, module)
    code, style_input = synthesis.fencoder(inputs[0])
    x_syn, f_syn = synthesis.both(inputs[0])
    latents = synthesis.wmodule(style_input)
    return {"spatial_code": code, "w_input": style_input, "latents": latents, "I_G": x_syn, "F_G": f_syn}
