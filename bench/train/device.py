"""The device of a run, its precision, its random numbers and its memory."""

from __future__ import annotations

import gc
import os
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState

from bench.errors import Unavailable
from bench.team import join_team

_LAYERS = 0x1A7E5  # keeps what layers draw apart from what the batch draws, seeded by (seed, step) alone


def open_accelerator(precision: Literal["fp32", "bf16", "fp16"], device: str) -> Accelerator:
    """An accelerator for one run, its team joined. Raises Unavailable where this machine lacks the device or the precision."""
    team = join_team(device == "cpu")
    cpu = device == "cpu" or (
        team.size > 1 and not torch.cuda.is_available()
    )  # else accelerate would see no team there
    # accelerate keeps its first device and precision for the whole process; the runs in one may differ.
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(mixed_precision="no" if precision == "fp32" else precision, cpu=cpu)
    kind = accelerator.device.type
    if device not in ("auto", kind):
        raise Unavailable(f"device: no {device} on this machine; use auto")
    if precision == "fp16" and kind == "cpu":
        # accelerate would go on in fp32 without a word.
        raise Unavailable("precision: fp16 needs a GPU; use fp32 or bf16")
    if accelerator.num_processes != team.size:
        raise Unavailable(f"device: accelerate found {accelerator.num_processes} of {team.size} processes")
    return accelerator


@contextmanager
def reproducible(deterministic: bool, device: torch.device) -> Iterator[None]:
    """Deterministic kernels if asked for, and the caller's global random state untouched.

    An operation without a deterministic kernel warns and goes on: better a run exact to rounding.
    """
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    memory: Any = torch.utils.deterministic
    fill, benchmark = memory.fill_uninitialized_memory, torch.backends.cudnn.benchmark
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
        torch.use_deterministic_algorithms(True, warn_only=True)
        memory.fill_uninitialized_memory = False  # a debugging aid that costs a pass over memory
        torch.backends.cudnn.benchmark = False
    try:
        with torch.random.fork_rng(devices=_cuda_devices(device)):
            yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        memory.fill_uninitialized_memory = fill
        torch.backends.cudnn.benchmark = benchmark


def seed_layers(seed: int, step: int, device: torch.device, rank: int = 0) -> None:
    """Seed what layers draw from (dropout, noise) by (seed, step), so that a resumed step draws the same; each process of a
    team draws for images of its own.
    """
    apart = (rank,) if rank else ()
    state = int(np.random.SeedSequence((seed, step, _LAYERS, *apart)).generate_state(1, np.uint64)[0])
    # torch.manual_seed also visits every absent backend, which takes a fifth of a millisecond.
    torch.default_generator.manual_seed(state)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(state)


@contextmanager
def preserved_rng(device: torch.device) -> Iterator[None]:
    with torch.random.fork_rng(devices=_cuda_devices(device)):
        yield


def release_memory(device: torch.device) -> None:
    """What nothing refers to any more goes back to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def reset_peak_memory(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)


def peak_memory(device: torch.device) -> int:
    """Bytes: on a GPU, the most tensors took since the reset; elsewhere, the most this process ever took."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return used if sys.platform == "darwin" else used * 1024


def _cuda_devices(device: torch.device) -> list[int]:
    return [torch.cuda.current_device()] if device.type == "cuda" else []
