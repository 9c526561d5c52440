"""What a job's own process does: take its share of the machine, work, and tell how it went."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from bench.execute import Progress
from bench.executors.attempt import attempt
from bench.job import Job
from bench.store import Store

if TYPE_CHECKING:
    from bench.train.execution import Execution


@dataclass(frozen=True)
class Seat:
    """The `number`th of places among which GPUs are dealt, with one of `shares` of the processors."""

    number: int
    shares: int


def work_at(seat: Seat, connection: Connection, job: Job, root: Path, execution: Execution) -> None:
    """The whole life of the process. SIGTERM ends it, in a training after the step is saved; Ctrl-C is the pool's to obey."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    _take(seat)

    def tell(progress: Progress) -> None:
        try:
            connection.send(progress)
        except (BrokenPipeError, ConnectionResetError):  # the pool is dead: nobody waits for this
            os.kill(os.getpid(), signal.SIGTERM)

    connection.send(attempt(job, Store(root), execution, tell))


def _take(seat: Seat) -> None:
    """Before anything is computed, as CUDA looks once at what it may use."""
    import torch

    torch.set_num_threads(max(1, torch.get_num_threads() // seat.shares))
    devices = torch.cuda.device_count()
    if devices > 1 and seat.shares > 1:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", ",".join(map(str, range(devices)))).split(",")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible[seat.number % devices]
