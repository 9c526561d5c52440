"""Probe of GCFSR's variant for blind restoration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from torch import Tensor, nn

from bench.parity.oracle import Case
from bench.parity.probes.gcfsr import capture_named, noise_maps
from methods.networks.gcfsr import GCFSRBlind


def build(case: Case) -> nn.Module:
    return GCFSRBlind(**case.constructor)


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    network = cast(GCFSRBlind, module)
    captured = capture_named(network, case)
    image, latents = network.synthesize(inputs[0], noise=noise_maps(network))
    # The released network computes its scales without a batch axis.
    scales = {name: value[0] for name, value in captured.items() if name.startswith("cond_scale")}
    return {"image": image, "latents": latents} | captured | scales
