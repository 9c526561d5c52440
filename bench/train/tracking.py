"""Who is told the loss log while it grows, without being able to stop the training."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bench.train.log import Row


class Tracker(Protocol):
    """One stream of scalars for one training."""

    def resume(self, step: int) -> bool:
        """Open the stream and go on after `step` steps; False if it holds nothing yet."""

    def log(self, rows: Sequence[Row]) -> None:
        """Rows in the order of their steps. What was logged when this returns survives a kill."""

    def close(self) -> None:
        """Nothing follows."""


class Trackers:
    """Several trackers by name. One that fails is warned of once and left out."""

    def __init__(self, trackers: Mapping[str, Tracker] | None = None) -> None:
        self._active = dict(trackers or {})
        self._told = 0

    def start(self, rows: Sequence[Row], step: int) -> None:
        """Go on after `step` steps; a stream that is new is told the rows so far."""

        def start(tracker: Tracker) -> None:
            if not tracker.resume(step):
                tracker.log(rows)

        self._told = len(rows)
        self._each(start)

    def tell(self, rows: Sequence[Row]) -> None:
        """All rows so far; those that are new are passed on."""
        new = rows[self._told :]
        self._told = len(rows)
        if new:
            self._each(lambda tracker: tracker.log(new))

    def close(self) -> None:
        self._each(lambda tracker: tracker.close())

    def _each(self, act: Callable[[Tracker], None]) -> None:
        for name, tracker in list(self._active.items()):
            try:
                act(tracker)
            except Exception as error:  # of a disk, a network, or a library that we do not know
                del self._active[name]
                warnings.warn(f"{name}: {error}; the training goes on without it", RuntimeWarning)
