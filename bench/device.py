"""The device that this process computes on, in words that can stand under a table. Light: imports torch where it is asked."""

from __future__ import annotations

import json
import os
import platform
import sys
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import platformdirs

from bench.errors import BenchError
from bench.job import canonical
from bench.store import write_atomically

if TYPE_CHECKING:
    import torch

DRIVER = Path("/proc/driver/nvidia")
"""Where Linux says which GPUs NVIDIA's driver has found."""

UNTOLD = (Path("/dev/dxg"), Path("/dev/kfd"))
"""GPUs of which Linux says nothing there: under Windows, and AMD's."""

PREFIXES = ("CUDA_", "NVIDIA_", "OMP_", "MKL_", "OPENBLAS_", "PYTORCH_", "ATEN_")
"""Environment variables that decide which device torch takes and how many threads."""


def pick_device() -> torch.device:
    """CUDA, else Apple's MPS, else the CPU."""
    import torch

    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("mps") if torch.backends.mps.is_available() else torch.device("cpu")


def find_device(name: str) -> torch.device:
    """The device that the user names, `auto` the one that `pick_device` takes. Raises BenchError if it is not here."""
    if name == "auto":
        return pick_device()
    import torch

    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # torch asserts that it was built for the device
        raise BenchError(f"--device {name}: {str(error).splitlines()[0]}") from None
    return device


def describe_device() -> dict[str, Any]:
    """Kind, name, threads and torch version: what a timing depends on."""
    import torch

    device = pick_device()
    if device.type == "cuda":
        return {"type": "cuda", "name": torch.cuda.get_device_name(), "torch": torch.__version__}
    return {"type": device.type, "name": _processor(), "threads": torch.get_num_threads(), "torch": torch.__version__}


def recall_device() -> dict[str, Any]:
    """`describe_device`, from memory where this machine was asked before in the same circumstances: torch takes seconds to
    be imported, and a plan needs nothing else of it.
    """
    circumstances = None if "torch" in sys.modules else _circumstances()
    if circumstances is None:
        return describe_device()
    path = platformdirs.user_cache_path("ugpnet-bench") / "devices.json"
    known = _read(path)
    if circumstances not in known:
        known[circumstances] = describe_device()
        with suppress(OSError):  # a home that cannot be written to costs seconds, no more
            write_atomically(path, json.dumps(known).encode())
    return known[circumstances]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) and all(isinstance(device, dict) for device in known.values()) else {}


def _circumstances() -> str | None:
    """All that the description follows from, as JSON; None where not all of it can be told."""
    if sys.platform != "linux" or any(map(Path.exists, UNTOLD)):
        return None
    gpus = [path.read_text() for path in sorted(DRIVER.glob("gpus/*/information"))]
    settings = {name: value for name, value in os.environ.items() if name.startswith(PREFIXES)}
    cores = sorted(os.sched_getaffinity(0))
    return canonical([sys.prefix, version("torch"), platform.release(), _processor(), cores, settings, gpus])


def _processor() -> str:
    """The processor's model name where the system tells it."""
    information = Path("/proc/cpuinfo")
    if information.is_file():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
