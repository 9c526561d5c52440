"""From what the command line says of where jobs run to the executor that does them."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.team import find_team

if TYPE_CHECKING:
    from bench.executors.base import Executor


@dataclass(frozen=True)
class Engine:
    """`workers` jobs at a time on this machine, or each training by `processes` together."""

    workers: int = 1
    processes: int = 1

    def check(self) -> None:
        """Raises BenchError for what does not go together."""
        if self.workers > 1 and max(self.processes, find_team().size) > 1:
            raise BenchError(
                "--workers: several jobs at a time, each in several processes, need a scheduler; "
                "leave --workers or --processes out, or use --engine ray"
            )

    def open(self) -> AbstractContextManager[Executor]:
        """The executor, for as long as the block lasts."""
        if find_team().size > 1:
            from bench.executors.team import TeamExecutor

            return TeamExecutor()
        if self.workers > 1:
            from bench.executors.pool import PoolExecutor

            return nullcontext(PoolExecutor(self.workers))
        from bench.executors.local import LocalExecutor

        return nullcontext(LocalExecutor())
