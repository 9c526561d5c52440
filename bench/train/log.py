"""The loss log: window means of every term, and the watch for values that are not finite."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from bench.errors import TrainingDiverged
from ugpnet.recipe import Term


class Row(NamedTuple):
    """After `step` completed steps: the mean of `<player>/<term>`, unweighted, or `validation/psnr` in dB."""

    step: int
    name: str
    value: float


@dataclass(frozen=True)
class _Objective:
    step: int
    player: str
    values: Mapping[str, Tensor]
    total: Tensor


class LossLog:
    """Rows so far, and the values of the window that is still open, which stay on the device until it closes.

    Objectives are checked `check_every` at a time, since looking at a value on a GPU waits for it. So fewer
    than that many optimiser steps may follow a bad one; none is kept, as `check` precedes every checkpoint.
    """

    def __init__(self, check_every: int) -> None:
        self.rows: list[Row] = []
        self.latest: dict[str, float] = {}
        self._check_every = check_every
        self._window: dict[str, list[Tensor]] = {}
        self._unchecked: list[_Objective] = []

    def record(self, step: int, player: str, terms: Mapping[str, Term], total: Tensor) -> None:
        """Raises TrainingDiverged, at once or within `check_every` calls, if `total` is not finite."""
        values = {name: term.value.detach().float() for name, term in terms.items()}
        for name, value in values.items():
            self._window.setdefault(f"{player}/{name}", []).append(value)
        self._unchecked.append(_Objective(step, player, values, total.detach().float()))
        if len(self._unchecked) >= self._check_every:
            self.check()

    def check(self) -> None:
        """Raises TrainingDiverged, naming step, player and term, if a new objective is not finite."""
        if self._unchecked:
            finite = torch.stack([objective.total for objective in self._unchecked]).isfinite()
            if not bool(finite.all()):
                raise _diverged(self._unchecked[int(finite.int().argmin())])
            self._unchecked.clear()

    def close_window(self, step: int) -> None:
        """Check, then turn the open window into one row per term, in the order of their names."""
        self.check()
        if self._window:
            names = sorted(self._window)
            values = torch.stack([value for name in names for value in self._window[name]]).cpu().double()
            windows = torch.split(values, [len(self._window[name]) for name in names])
            for name, window in zip(names, windows, strict=True):
                self.add(Row(step, name, window.mean().item()))
            self._window.clear()

    def add(self, row: Row) -> None:
        self.rows.append(row)
        self.latest[row.name] = row.value

    def open_window(self) -> dict[str, Tensor]:
        """The values of the open window by name, each (steps,), for a checkpoint."""
        return {name: torch.stack(values) for name, values in self._window.items()}

    def resume(self, rows: Iterable[Row], window: Mapping[str, Tensor]) -> None:
        for row in rows:
            self.add(row)
        self._window = {name: list(values.unbind()) for name, values in window.items()}


def _diverged(objective: _Objective) -> TrainingDiverged:
    bad = [name for name, value in objective.values.items() if not bool(value.isfinite())]
    value = objective.values[bad[0]].item() if bad else objective.total.item()
    where = f"term {bad[0]!r}" if bad else "the weighted sum of its terms"
    return TrainingDiverged(
        f"step {objective.step}, player {objective.player!r}: {where} is {value}; "
        "lower the learning rate, clip the gradient norm, or train in fp32"
    )
