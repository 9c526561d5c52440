"""Probe of GCFSR's discriminator: StyleGAN2's without the channel of standard deviations."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case
from bench.parity.probes import stylegan2_disc
from ugpnet.nn.discriminator import StyleGAN2Discriminator


def build(case: Case) -> nn.Module:
    return StyleGAN2Discriminator(**{**case.constructor, "stddev_group": None})


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    return stylegan2_disc.run(module, inputs, case)
