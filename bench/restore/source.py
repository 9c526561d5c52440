"""Where a user says that the restorer comes from. Light: no torch before one is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.restore.restorer import Restorer


@dataclass(frozen=True)
class RunRow:
    """A row of a run of this harness, with the weights that it trained."""

    run: Path
    row: str | None

    def load(self) -> Restorer:
        from bench.restore.stored import from_run

        return from_run(self.run, self.row)


@dataclass(frozen=True)
class Checkpoints:
    """A method with weights from files; see `bench.restore.released`."""

    method: str
    files: tuple[str, ...]
    assignments: tuple[str, ...]
    size: int
    scale: int

    def load(self) -> Restorer:
        from bench.restore.released import from_checkpoints

        return from_checkpoints(self.method, self.files, self.assignments, self.size, self.scale)


Source: TypeAlias = RunRow | Checkpoints


def choose_source(
    run: Path | None, row: str | None, method: str | None, files: Sequence[str], assignments: Sequence[str],
    size: int, scale: int,
) -> Source:  # fmt: skip
    """The one of the two that the options name. Raises BenchError where they name both or none."""
    if run is not None and method is None and not files and not assignments:
        return RunRow(run, row)
    if method is not None and run is None and row is None:
        return Checkpoints(method, tuple(files), tuple(assignments), size, scale)
    raise BenchError(
        "say what restores: either --run FOLDER --row NAME, or --method NAME --weights PATH (with --set, --size, --scale)"
    )
