"""How a training run is carried out, as opposed to what it is. Light: no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Logger: TypeAlias = Literal["tensorboard", "wandb"]


@dataclass(frozen=True)
class Execution:
    """None of it may change the weights, so none of it enters a job's key.

    A checkpoint is written every `checkpoint_seconds` and every `checkpoint_every` steps (None: not on that
    account), when the process is asked to stop, and at the end. `loaders` processes prepare batches; with 0 the training
    does. `log_every` steps make one window of the loss log. `deterministic` asks torch for deterministic kernels: without
    it, a resumed GPU run equals an uninterrupted one only up to rounding. `auto` is the device that accelerate finds.
    `loggers` are told the loss log as it grows, under the name of the `suite`. So many `processes` train together, each with
    its share of every batch.
    """

    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    loaders: int = 0
    log_every: int = 100
    checkpoint_seconds: float | None = 600.0
    checkpoint_every: int | None = None
    deterministic: bool = True
    loggers: tuple[Logger, ...] = ()
    suite: str = ""
    processes: int = 1
