"""Several processes of the command that was typed, on this machine: what `torchrun --standalone` would start."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Sequence

from bench.errors import BenchError


def launch(processes: int, arguments: Sequence[str]) -> int:
    """Run `bench <arguments>` in a team of so many processes: the exit status of the first.

    Raises BenchError where one of them died of something else than its own decision; torch's agent then ends the others.
    """
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)  # it would tell the same at length
    config = LaunchConfig(
        min_nodes=1, max_nodes=1, nproc_per_node=processes, rdzv_backend="c10d", rdzv_endpoint="localhost:0",
        local_addr="127.0.0.1", run_id="bench", max_restarts=0, monitor_interval=0.2,
    )  # fmt: skip
    try:
        elastic_launch(config, sys.executable)("-m", "bench", *arguments)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            name = signal.Signals(-failure.exitcode).name
            raise BenchError(
                f"process {rank} of {processes} was killed by {name}; the same command goes on from the last checkpoint"
            ) from None
        return failure.exitcode
    except SignalException as stopped:
        return 128 + stopped.sigval
    return 0
