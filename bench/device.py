"""The device that this process computes on, in words that can stand under a table."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Any

import torch

from bench.errors import BenchError


def pick_device() -> torch.device:
    """CUDA, else Apple's MPS, else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")


def find_device(name: str) -> torch.device:
    """The device that the user names, `auto` the one that `pick_device` takes. Raises BenchError if it is not here."""
    if name == "auto":
        return pick_device()
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for the device
        raise BenchError(f"--device {name}: {str(error).splitlines()[0]}") from None
    return device


def describe_device() -> dict[str, Any]:
    """Kind, name, threads and torch version: what a timing depends on."""
    device = pick_device()
    if device.type == "cuda":
        return {"type": "cuda", "name": torch.cuda.get_device_name(), "torch": torch.__version__}
    return {"type": device.type, "name": _processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}


def _processor() -> str:
    """The processor's model name where the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
