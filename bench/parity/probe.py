"""What a probe module offers and how one case is judged."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from bench.parity.oracle import TOLERANCE, Case, fill, relative_error


class Probe(Protocol):
    """A module `bench/parity/probes/<network>.py`.

    `build` makes the network of the case (constructor values in `case.constructor`), `run` makes the calls that
    `forward` describes and returns every tensor listed under `tensors`. A probe that cannot be described by one module
    (the losses) offers `errors` instead, which judges the case itself.
    """

    def build(self, case: Case) -> nn.Module: ...
    def run(self, module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]: ...


@dataclass(frozen=True)
class Verdict:
    """One line of `bench parity`: the worst relative error and where it stands."""

    case: str
    network: str
    error: float
    worst: str
    passed: bool
    reason: str = ""


def find_cases(folders: list[Path]) -> list[Case]:
    """Every folder that holds a case, the given ones and those directly below them, by name."""
    found = {path.parent for folder in folders for path in (*folder.glob("case.json"), *folder.glob("*/case.json"))}
    return [Case(folder) for folder in sorted(found)]


@torch.no_grad()
def tensor_errors(case: Case, probe: Probe) -> dict[str, float]:
    """Relative error of every listed tensor."""
    module = probe.build(case)
    fill(module, case)
    outputs = probe.run(module.eval(), case.inputs(), case)
    golden, listed = case.golden(), case.manifest["tensors"]
    if absent := sorted(set(listed) - set(outputs)):
        raise KeyError(f"the probe returned no {', '.join(absent)}")
    return {name: relative_error(outputs[name], golden[name], entry["stride"]) for name, entry in listed.items()}


def judge(case: Case) -> Verdict:
    """Build, fill, run and compare one case; whatever goes wrong is a failed verdict with its reason."""
    try:
        probe = importlib.import_module(f"bench.parity.probes.{case.network}")
        errors = probe.errors(case) if hasattr(probe, "errors") else tensor_errors(case, cast(Probe, probe))
    except Exception as error:  # a broken case must not hide the verdicts of the others
        return Verdict(case.name, case.network, float("nan"), "", False, f"{type(error).__name__}: {error}")
    worst = max(errors, key=lambda name: errors[name])
    return Verdict(case.name, case.network, errors[worst], worst, errors[worst] <= TOLERANCE)
