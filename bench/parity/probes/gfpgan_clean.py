"""GFP-GAN as released for use (v1.2 to v1.4)."""

from __future__ import annotations

from torch import nn

from bench.parity.oracle import Case
from bench.parity.probes.gfpgan_v1 import constructor, run
from methods.networks.gfpgan import GFPGANv1Clean

__all__ = ["build", "run"]


def build(case: Case) -> nn.Module:
    return GFPGANv1Clean(**constructor(case))
