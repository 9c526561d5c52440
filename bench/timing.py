"""How long a forward pass takes: CUDA events on a GPU, a monotonic clock on a CPU, the same protocol for both."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class Latency:
    """Milliseconds per call: median, 10th and 90th percentile over `repeats` calls after `warmup` uncounted ones."""

    median: float
    p10: float
    p90: float
    repeats: int
    warmup: int
    clock: str


def time_calls(call: Callable[[], object], device: torch.device, warmup: int, repeats: int) -> Latency:
    """Latency of `call`, each call synchronised by itself; `clock` says how it was measured."""
    for _ in range(warmup):
        call()
    sample = _cuda_milliseconds if device.type == "cuda" else _clock_milliseconds
    values = [sample(call) for _ in range(repeats)]
    p10, median, p90 = np.percentile(values, [10, 50, 90])
    clock = "cuda events" if device.type == "cuda" else f"{device.type} monotonic clock"
    return Latency(float(median), float(p10), float(p90), repeats, warmup, clock)


def _cuda_milliseconds(call: Callable[[], object]) -> float:
    begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
    torch.cuda.synchronize()
    begin.record()
    call()
    end.record()
    end.synchronize()
    return float(begin.elapsed_time(end))


def _clock_milliseconds(call: Callable[[], object]) -> float:
    if torch.backends.mps.is_available():
        torch.mps.synchronize()
    started = time.perf_counter()
    call()
    if torch.backends.mps.is_available():
        torch.mps.synchronize()
    return (time.perf_counter() - started) * 1e3
