"""StyleGAN2's discriminator with VQFR's spectrally normalised layers: the first call after the fill."""

from __future__ import annotations

from torch import nn

from bench.parity.oracle import Case
from bench.parity.probes.stylegan2_disc import run
from ugpnet.nn.discriminator import StyleGAN2Discriminator

__all__ = ["build", "run"]


def build(case: Case) -> nn.Module:
    return StyleGAN2Discriminator(**case.constructor, layers="spectral")
