"""Image after image; what is wrong with one is told, and the next one goes on."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from bench.data.picture import Picture, encode_picture, read_picture
from bench.errors import BenchError
from bench.restore.image import Geometry, restore_image
from bench.restore.inputs import Entry
from bench.restore.restorer import Restorer
from bench.restore.tiling import OnTile
from bench.store import reason, write_atomically


class Watcher(Protocol):
    """Who is told what happens; the terminal view is one."""

    def started(self, entry: Entry) -> None: ...
    def advanced(self, done: int, total: int) -> None: ...
    def finished(self, entry: Entry) -> None: ...
    def failed(self, name: str, reason: str) -> None: ...


@dataclass
class Outcome:
    """Images restored now and, kept, before; what failed, with the reason."""

    restored: int = 0
    kept: int = 0
    failed: dict[str, str] = field(default_factory=dict)


def restore_batch(
    entries: Sequence[Entry], restorer: Restorer, geometry: Geometry, device: torch.device, overwrite: bool, watcher: Watcher
) -> Outcome:  # fmt: skip
    """Restore every entry whose files are not all there, or, with `overwrite`, every one. Stops where the disk is full."""
    restorer.network.to(device)
    outcome = Outcome()
    for entry in entries:
        watcher.started(entry)
        missing = {name: path for name, path in _targets(entry, restorer).items() if overwrite or not path.exists()}
        try:
            if missing:
                _restore_entry(entry, missing, restorer, geometry, device, watcher.advanced)
        except (BenchError, RuntimeError, ValueError, MemoryError, OSError) as error:
            if getattr(error, "errno", None) == errno.ENOSPC:
                raise
            outcome.failed[str(entry.source)] = _why(error, entry)
            watcher.failed(str(entry.source), outcome.failed[str(entry.source)])
            continue
        outcome.restored += bool(missing)
        outcome.kept += not missing
        watcher.finished(entry)
    return outcome


def _targets(entry: Entry, restorer: Restorer) -> dict[str, Path]:
    return {"restored": entry.target, **{part: entry.part(part) for part in restorer.parts}}


def _restore_entry(
    entry: Entry, targets: Mapping[str, Path], restorer: Restorer, geometry: Geometry, device: torch.device, tell: OnTile
) -> None:  # fmt: skip
    """Write those of the restored image and its parts that `targets` names."""
    picture = read_picture(entry.source)
    lq = torch.from_numpy(picture.rgb).permute(2, 0, 1)
    with torch.inference_mode():
        images = restore_image(restorer, lq, geometry, device, tell)
    for name, image in zip(("restored", *restorer.parts), images, strict=True):
        if name in targets:
            write_atomically(targets[name], encode_picture(_like(picture, image)))


def _like(picture: Picture, image: Tensor) -> Picture:
    return picture.with_pixels(image.permute(1, 2, 0).contiguous().numpy())


def _why(error: Exception, entry: Entry) -> str:
    """The reason without the name of the image, which stands before it."""
    if isinstance(error, BenchError):
        return str(error).removeprefix(f"{entry.source}: ")
    if isinstance(error, OSError):
        return f"cannot be written to {entry.target}: {reason(error)}"
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return "does not fit into memory; give a smaller --tile"
    return f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
