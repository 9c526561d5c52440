"""What tests of methods share: short trainings in the real loop, and values pinned in tests/goldens."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn import functional as F

from bench.parity.oracle import make_input
from bench.train.execution import Execution
from bench.train.loop import Fitted, fit
from ugpnet.recipe import Batch, Budget, Recipe

GOLDENS = Path(__file__).parents[1] / "goldens"


@dataclass(frozen=True)
class SmoothPairs:
    """Smooth ground truth of `size` pixels, reduced by `scale` and under noise; a pure function of the step."""

    size: int
    scale: int = 1

    def batch(self, step: int) -> Batch:
        side = self.size // self.scale
        gt = F.interpolate(make_input((2, 3, 4, 4), step), size=(self.size, self.size), mode="bilinear")
        lq = F.avg_pool2d(gt, self.scale) + make_input((2, 3, side, side), 1000 + step, -0.1, 0.1)
        return Batch(lq, gt, torch.Generator().manual_seed(step))


@pytest.fixture
def train(tmp_path: Path) -> Callable[..., Fitted]:
    """Steps of a recipe on smooth pairs, on the CPU."""

    def run(recipe: Recipe, size: int, scale: int = 1, steps: int = 20) -> Fitted:
        execution = Execution(device="cpu", log_every=1)
        return fit(recipe, SmoothPairs(size, scale), Budget(iterations=steps), tmp_path, seed=0, execution=execution)

    return run


@pytest.fixture
def curves() -> Callable[[Fitted], dict[str, list[float]]]:
    """The value of every term at every step that had it, by `<player>/<term>`."""

    def collect(fitted: Fitted) -> dict[str, list[float]]:
        found: dict[str, list[float]] = defaultdict(list)
        for row in fitted.log:
            found[row.name].append(row.value)
        return dict(found)

    return collect


@pytest.fixture
def pinned() -> Callable[[str, str, Any], Any]:
    """The pinned value of `entry` in the golden file `name`; `PIN_GOLDENS=1 pytest ...` pins what was found."""

    def golden(name: str, entry: str, found: Any) -> Any:
        path = GOLDENS / f"{name}.json"
        known: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        if os.environ.get("PIN_GOLDENS"):
            known[entry] = found
            path.write_text(json.dumps(known, indent=1) + "\n")
        return known[entry]

    return golden
