"""The oracles' rules: how weights and inputs are drawn, and how an error is measured."""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

TOLERANCE = 1e-4


def rng(seed: int, name: str) -> np.random.Generator:
    """The stream of one named tensor."""
    return np.random.Generator(np.random.PCG64([seed, zlib.crc32(name.encode())]))


def make_input(shape: Sequence[int], seed: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Uniform float32 tensor in [low, high)."""
    drawn = low + (high - low) * rng(seed, "input").random(tuple(shape))
    return torch.from_numpy(drawn.astype(np.float32))


def structured_input(shape: Sequence[int], seed: int, low: float = 0.0, high: float = 1.0) -> Tensor:
    """Half an 8x8 mosaic, half noise: the `0.5*nearest_upsample(...) + 0.5*...` construction."""
    batch, channels, height, width = shape
    coarse = make_input((batch, channels, 8, 8), seed, low, high)
    return 0.5 * F.interpolate(coarse, size=(height, width), mode="nearest") + 0.5 * make_input(
        shape, seed + 1, low, high
    )


def draw_weight(name: str, shape: Sequence[int], seed: int, gain: float = 1.0, offset: float = 0.0) -> Tensor:
    """One weight by the fill rule: a float64 normal draw, scaled by the kind of entry, then float32 gain and offset."""
    drawn = rng(seed, name).standard_normal(tuple(shape))
    if name.endswith("running_var"):
        drawn = np.abs(drawn) + 0.5
    elif len(shape) >= 2:
        drawn = drawn / math.sqrt(math.prod(shape[1:]))
    elif len(shape) == 1 and name.endswith("weight"):
        drawn = 1 + 0.1 * drawn
    else:
        drawn = 0.1 * drawn
    return torch.from_numpy(np.asarray(drawn, dtype=np.float32) * np.float32(gain) + np.float32(offset))


@dataclass(frozen=True)
class Case:
    """One oracle folder."""

    folder: Path

    @cached_property
    def manifest(self) -> dict[str, Any]:
        manifest: dict[str, Any] = json.loads((self.folder / "case.json").read_text())
        return manifest

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def network(self) -> str:
        return str(self.manifest.get("network", self.folder.name))

    @property
    def constructor(self) -> Mapping[str, Any]:
        constructor: Mapping[str, Any] = self.manifest["constructor"]
        return constructor

    @property
    def seed(self) -> int:
        return int(self.manifest["seed"])

    def golden(self) -> dict[str, NDArray[Any]]:
        with np.load(self.folder / "golden.npz") as arrays:
            return {key: arrays[key] for key in arrays.files}

    def inputs(self) -> list[Tensor]:
        """The inputs in order; a case whose `forward` composes further draws makes those in its probe."""
        listed = self.manifest["input"]
        return [_one_input(entry) for entry in (listed if isinstance(listed, list) else [listed])]

    def state_dict(self) -> dict[str, Tensor]:
        """Every filled entry; constant entries are left to the constructor."""
        return {
            name: draw_weight(name, entry["shape"], self.seed, entry.get("gain", 1.0), entry.get("offset", 0.0))
            for name, entry in self.manifest["state"].items()
            if not entry.get("constant")
        }

    def constant_names(self) -> set[str]:
        return {name for name, entry in self.manifest["state"].items() if entry.get("constant")}


def _one_input(entry: Mapping[str, Any]) -> Tensor:
    draw = structured_input if "nearest_upsample" in entry.get("construction", "") else make_input
    return draw(entry["shape"], entry["seed"], entry["low"], entry["high"])


def fill(module: nn.Module, case: Case) -> None:
    """Load the case's weights; the module must have exactly the oracle's entries, no more and no fewer."""
    ours, theirs = module.state_dict(), set(case.manifest["state"])
    if missing := sorted(theirs - set(ours)):
        raise KeyError(f"{case.name}: our network lacks {len(missing)} entries: {missing[:8]}")
    if surplus := sorted(set(ours) - theirs):
        raise KeyError(f"{case.name}: our network has {len(surplus)} entries the released one lacks: {surplus[:8]}")
    module.load_state_dict(case.state_dict(), strict=False)


def capture(module: nn.Module, names: Mapping[str, str]) -> dict[str, Tensor]:
    """Hook sub-modules by path; the returned dict is filled with their outputs by later forward passes (last wins)."""
    captured: dict[str, Tensor] = {}
    for label, path in names.items():
        module.get_submodule(path).register_forward_hook(
            lambda _module, _args, output, label=label: captured.__setitem__(label, output)
        )
    return captured


def relative_error(ours: Tensor, golden: NDArray[Any], stride: Sequence[int]) -> float:
    """RMS of (ours - golden) over the golden's standard deviation, on the golden's strided samples.

    A golden without spread (a single logit, a constant map) is measured by its own RMS: there is no deviation to divide by.
    """
    sampled = ours.detach().to(torch.float64).numpy()[tuple(slice(None, None, step) for step in stride)]
    if sampled.shape != golden.shape:
        raise ValueError(f"shape {tuple(sampled.shape)} where the golden has {golden.shape}")
    difference = float(np.sqrt(np.mean((sampled - golden) ** 2)))
    if not math.isfinite(difference):
        raise ValueError("the output is not finite")
    golden = golden.astype(np.float64)
    spread, size = float(np.std(golden)), float(np.sqrt(np.mean(golden**2)))
    return difference / max(spread if spread > 1e-6 * size else size, 1e-12)
