"""GFP-GAN's discriminator of eyes and mouth."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case
from methods.networks.gfpgan import FacialComponentDiscriminator


def build(case: Case) -> nn.Module:
    return FacialComponentDiscriminator()


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    logits, features = module.discriminate(inputs[0])  # type: ignore[operator]
    return {"logit_map": logits} | {f"feat_{index}": feature for index, feature in enumerate(features)}
