"""Where a run writes, and traps that end it there. A trap hears of opened and renamed files from Python's audit events, so that
the product has no hooks for it.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

Place: TypeAlias = Literal["checkpoint", "image", "result", "commit", "cache", "report"]
PLACES: tuple[Place, ...] = get_args(Place)


@dataclass(frozen=True)
class Trap:
    """The process dies at the `nth` write at `place`, from 1.

    It dies before a file is opened or renamed; with `torn`, while a file is written, once that many bytes of it are on disk.
    """

    place: Place
    nth: int
    torn: int | None = None


def place_of(path: Path, results: Path) -> Place | None:
    """What a file that is written under `results` is part of; None elsewhere, and for the store's own business."""
    try:
        parts = path.relative_to(results).parts
    except ValueError:
        return None
    if parts[0] != ".store":
        return "report" if len(parts) > 1 else None
    if parts[1:2] == (".cache",):
        return "cache"
    if parts[1:2] != (".work",) or len(parts) < 4:
        return None
    if parts[-1].startswith("checkpoint-"):
        return "checkpoint"
    if path.suffix == ".png":
        return "image"
    return "commit" if "job.json" in parts[-1] else "result"


def lay(results: Path, trap: Trap | None) -> Counter[Place]:
    """The writes by place, counted from now on to the end of this process, which `trap` brings about."""
    seen: Counter[Place] = Counter()

    def hear(event: str, arguments: tuple[object, ...]) -> None:
        place = _written(event, arguments, results)
        if place is None:
            return
        seen[place] += 1
        if trap and trap.place == place and seen[place] == trap.nth:
            _spring(trap)

    sys.addaudithook(hear)
    return seen


def _written(event: str, arguments: tuple[object, ...], results: Path) -> Place | None:
    if event == "open":
        path, mode, flags = arguments
        writes = "w" in mode if isinstance(mode, str) else bool(int(str(flags)) & (os.O_WRONLY | os.O_RDWR))
        return place_of(Path(os.fsdecode(path)), results) if writes and isinstance(path, (str, bytes)) else None
    if event == "os.rename":
        source = Path(os.fsdecode(str(arguments[0])))
        return "commit" if source.parent == results / ".store" / ".work" else place_of(source, results)
    return None


def _spring(trap: Trap) -> None:
    if trap.torn is None:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    # The system itself ends a process that writes beyond its limit, and leaves what it has written so far.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    resource.setrlimit(resource.RLIMIT_FSIZE, (trap.torn or 0, trap.torn or 0))
