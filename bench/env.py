"""The environment of a run: recorded in manifests, never hashed into keys."""

from __future__ import annotations

import importlib.metadata
import platform
import resource
import subprocess
import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.device import recall_device

PACKAGES = (
    "ugpnet-bench", "torch", "torchvision", "accelerate", "numpy", "scipy", "pillow", "scikit-image",
    "pyiqa", "lpips", "torch-fidelity", "spandrel", "basicsr",
)  # fmt: skip


def describe_environment() -> dict[str, Any]:
    """Versions, platform, device, and the commit of the harness where it runs from a checkout."""
    return {
        "python": platform.python_version(), "platform": platform.platform(), "packages": package_versions(),
        "device": recall_device(), "commit": _commit(),
    }  # fmt: skip


def peak_memory() -> int:
    """Bytes of resident memory that this process held at most."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@lru_cache(maxsize=1)
def package_versions() -> Mapping[str, str]:
    """The version of each of `PACKAGES`, or `not installed`."""
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "not installed"
    return versions


def _commit() -> str | None:
    """`<hash>` or `<hash>+changes`; None outside a git checkout."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True, timeout=5
        )
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=here, capture_output=True, text=True, check=True, timeout=5
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return head.stdout.strip() + ("+changes" if dirty.stdout.strip() else "")
