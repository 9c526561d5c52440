"""The processes that work on one run together, as `torchrun`, `accelerate launch` and `bench run --processes` start them.

Each is told by its environment who it is (RANK, WORLD_SIZE, LOCAL_RANK) and where the first one listens (MASTER_ADDR,
MASTER_PORT). Small things go over gloo, gradients on GPUs over NCCL. A process on its own is a team of one, for which nothing
here costs anything. Light: torch is imported when a team of several is formed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from bench.errors import BenchError, TeamBroken

if TYPE_CHECKING:
    from torch import Tensor

PATIENCE = timedelta(days=30)
"""A job of one process may take as long while the others wait; whoever started us ends all when one dies."""

Said = TypeVar("Said")


@dataclass(frozen=True)
class Team:
    """One of `size` processes, by its `rank`. Every method that takes part in something is to be called by all alike."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and that prints."""
        return self.rank == 0

    def places(self, count: int) -> range:
        """Those of `count` things that are this process's: runs of neighbours, as even as they come, the longer ones first."""
        each, more = divmod(count, self.size)
        first = self.rank * each + min(self.rank, more)
        return range(first, first + each + (self.rank < more))

    def tell(self, said: Said) -> Said:
        """What the first process says, to all of them."""
        if self.size == 1:
            return said
        from torch import distributed

        heard = [said]
        with self._answered():
            distributed.broadcast_object_list(heard)
        return heard[0]

    def gather(self, said: Said) -> list[Said]:
        """What every process says, by rank."""
        if self.size == 1:
            return [said]
        from torch import distributed

        heard: list[Any] = [None] * self.size
        with self._answered():
            distributed.all_gather_object(heard, said)
        return heard

    def add(self, tensor: Tensor) -> Tensor:
        """The tensor, now holding the sum of those of all processes, the same bits in each."""
        if self.size > 1:
            from torch import distributed

            with self._answered():
                distributed.all_reduce(tensor)
        return tensor

    def copy(self, tensors: Sequence[Tensor]) -> None:
        """Make the tensors equal those of the first process."""
        if self.size > 1:
            from torch import distributed

            with self._answered():
                for tensor in tensors:
                    distributed.broadcast(tensor, 0)

    @contextmanager
    def together(self) -> Iterator[None]:
        """What the block does is done by all or fails in all: with the error where it came up, elsewhere with its text."""
        if self.size == 1:
            yield
            return
        error: Exception | None = None
        try:
            yield
        except Exception as caught:
            error = caught
        if self.any(error is not None):
            said = self.gather(None if error is None else str(error))
            if error is not None:
                raise error
            raise BenchError(next(text for text in said if text is not None))

    def any(self, flag: bool) -> bool:
        """Whether the flag is up in any process."""
        if self.size == 1:
            return flag
        import torch

        return bool(self.add(torch.tensor(int(flag))))

    @contextmanager
    def _answered(self) -> Iterator[None]:
        """Raises TeamBroken where another process is gone."""
        try:
            yield
        except RuntimeError as error:
            reason = str(error).splitlines()[0]
            raise TeamBroken(f"process {self.rank} of {self.size}: another does not answer ({reason})") from error


def find_team(environment: Mapping[str, str] = os.environ) -> Team:
    """Who this process is by its environment: alone, unless a launcher says otherwise."""
    return Team(int(environment.get("RANK", 0)), int(environment.get("WORLD_SIZE", 1)))


def join_team(cpu: bool = False) -> Team:
    """Meet the others, once in a process; each takes the GPU of its place on its machine (LOCAL_RANK), if there are any.

    With `cpu`, or where there is no GPU, all goes over gloo.
    """
    team = find_team()
    if team.size > 1:
        import torch
        from torch import distributed

        on_gpu = torch.cuda.is_available() and not cpu
        if on_gpu:
            torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", 0)))
        if not distributed.is_initialized():
            distributed.init_process_group("cpu:gloo,cuda:nccl" if on_gpu else "gloo", timeout=PATIENCE)
    return team


def leave_team() -> None:
    """Nothing more is said."""
    if find_team().size > 1:
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group()
