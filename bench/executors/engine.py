"""What does the jobs, as the command line says it. The one place that makes an executor of it."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.errors import BenchError
from bench.team import find_team

if TYPE_CHECKING:
    from bench.executors.base import Executor
    from bench.executors.ray import RayExecutor

RAY_SETTINGS: Mapping[str, str] = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nothing is told to Ray's makers
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # what nodes say of each other; the view says what matters of it
    "RAY_task_oom_retries": "3",  # of a job that is ended as memory is short; else Ray tries it for ever
}
"""Read when Ray is imported, unless the user's environment says otherwise."""


@dataclass(frozen=True)
class Engine:
    """`local`: this machine, `workers` jobs at a time, or `processes` on each training. `ray`: the cluster at `address`, where
    each job takes `job_cpus` and `job_gpus`, and a training that for each of its `processes`. None: what is usual."""

    name: Literal["local", "ray"] = "local"
    workers: int | None = None
    processes: int = 1
    address: str | None = None
    job_cpus: float | None = None
    job_gpus: float | None = None

    def check(self) -> None:
        """Raises BenchError for options that this engine does not have."""
        if self.name == "ray" and self.workers is not None:
            raise BenchError(
                "--workers: with --engine ray, as many jobs run at once as there is room for; say what each takes with "
                "--job-cpus and --job-gpus"
            )
        if self.name == "local":
            given = {"--address": self.address, "--job-cpus": self.job_cpus, "--job-gpus": self.job_gpus}
            for option, value in given.items():
                if value is not None:
                    raise BenchError(f"{option}: is for --engine ray; jobs at a time on this machine are --workers")
            if (self.workers or 1) > 1 and max(self.processes, find_team().size) > 1:
                raise BenchError(
                    "--workers: several jobs at a time, each in several processes, need a scheduler; leave --workers or "
                    "--processes out, or use --engine ray"
                )
        elif find_team().size > 1:
            raise BenchError("--engine ray: starts the processes of a training itself; run bench without a launcher")

    @property
    def launches(self) -> bool:
        """Whether this command is to be run in several processes."""
        return self.name == "local" and self.processes > 1 and find_team().size == 1


@contextmanager
def open_executor(engine: Engine, say: Callable[[str], None]) -> Iterator[Executor]:
    """The executor inside the block; `say` is told where it runs, if that is not here. Raises BenchError for wrong options."""
    engine.check()
    if engine.name == "ray":
        with closing(_ray(engine, say)) as executor:
            yield executor
    elif find_team().size > 1:
        from bench.executors.team import TeamExecutor

        yield TeamExecutor()
    elif engine.workers is None or engine.workers == 1:
        from bench.executors.local import LocalExecutor

        yield LocalExecutor()
    else:
        from bench.executors.pool import PoolExecutor

        yield PoolExecutor(engine.workers)


def _ray(engine: Engine, say: Callable[[str], None]) -> RayExecutor:
    from bench.executors.cluster.demand import Share

    share = Share(1.0 if engine.job_cpus is None else engine.job_cpus, engine.job_gpus)
    share.check()
    if importlib.util.find_spec("ray") is None:
        raise BenchError('--engine ray: ray is not installed; pip install "ugpnet-bench[ray]"')
    for name, value in RAY_SETTINGS.items():
        os.environ.setdefault(name, value)
    from bench.executors.ray import RayExecutor

    return RayExecutor(engine.address, share, say)
