"""What an engine costs a job, and how long whole suites take: `python -m benchmarks.engines [--suite suites/deblur.yaml]`.

Jobs are the cheapest real ones: each brings a file of weights of a few bytes into the store (kind `load`), through the
executor's own path, commit and all. Engines take turns, on one machine, with warm processes; what starting them costs is
a column of its own. With `--suite`, the whole command is timed instead, each time with a fresh results folder, and the
scores have to be the same bytes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import count, islice
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter

import torch
from rich.console import Console
from rich.table import Table

from bench.executors.base import Executor, Unwatched
from bench.executors.engine import Engine, open_executor
from bench.job import Job
from bench.store import Store
from bench.train.execution import Execution
from bench.weightfile import save_weights


@dataclass(frozen=True)
class Cost:
    """Seconds of an engine: until its first jobs were done, and per job in each round."""

    engine: str
    start: float
    per_job: tuple[float, ...]


@dataclass(frozen=True)
class Wall:
    """Seconds of a whole `bench run`."""

    engine: str
    seconds: float


def engines(workers: int) -> Mapping[str, Engine]:
    return {"local": Engine(), "pool": Engine(workers=workers), "ray": Engine("ray")}


def cheap_jobs(weights: Path) -> Iterator[Job]:
    """Without end, no two alike."""
    save_weights(weights, {"": {"w": torch.zeros(1)}})
    for n in count():
        yield Job("load", f"weights {n}", {"backbone": "none", "n": n}, {"path": str(weights)})


def run(executor: Executor, jobs: Sequence[Job], store: Store) -> float:
    """Seconds for all of them."""
    began = perf_counter()
    outcome = executor.run(jobs, store, Execution(), Unwatched())
    took = perf_counter() - began
    if len(outcome.done) != len(jobs):
        sys.exit(f"not timed: {next(iter(outcome.failed.values()), 'jobs were done before')}")
    return took


def job_costs(jobs: int, rounds: int, workers: int) -> list[Cost]:
    """Of `jobs` jobs per engine, in so many rounds."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        store, fresh = Store(Path(folder) / "results").open(), cheap_jobs(Path(folder) / "weights.safetensors")
        starts, executors = {}, {}
        for name, engine in engines(workers).items():
            began = perf_counter()
            executors[name] = stack.enter_context(open_executor(engine, lambda _: None))
            run(executors[name], list(islice(fresh, 2 * workers)), store)
            starts[name] = perf_counter() - began
        took: dict[str, list[float]] = {name: [] for name in executors}
        for _ in range(rounds):
            for name, executor in executors.items():
                took[name].append(run(executor, list(islice(fresh, jobs // rounds)), store) / (jobs // rounds))
        return [Cost(name, starts[name], tuple(took[name])) for name in executors]


def suite_walls(suite: Path, profile: str, workers: int) -> list[Wall]:
    """One command after the other, one thread a job. Ends the script where scores differ from the local run's."""
    options = {"local": [], "pool": ["--workers", str(workers)], "ray": ["--engine", "ray"]}
    walls, scores = [], {}
    with tempfile.TemporaryDirectory() as folder:
        for name, chosen in options.items():
            results = Path(folder) / name
            command = [
                sys.executable,
                "-m",
                "bench",
                "run",
                str(suite),
                "-p",
                profile,
                "--results",
                str(results),
                *chosen,
            ]
            began = perf_counter()
            subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, check=True)
            walls.append(Wall(name, perf_counter() - began))
            [rows] = results.glob("*/*/rows.parquet")
            scores[name] = rows.read_bytes()
            if scores[name] != scores["local"]:
                sys.exit(f"{name}: its scores are not those of the local run")
    return walls


def cost_table(costs: Sequence[Cost]) -> Table:
    table = Table("engine", "start s", "ms per job", "quartiles")
    for cost in costs:
        low, _, high = (1e3 * value for value in quantiles(cost.per_job, method="inclusive"))
        table.add_row(cost.engine, f"{cost.start:.1f}", f"{1e3 * median(cost.per_job):.1f}", f"{low:.1f}-{high:.1f}")
    return table


def wall_table(walls: Sequence[Wall]) -> Table:
    table = Table("engine", "seconds", "of local")
    for wall in walls:
        table.add_row(wall.engine, f"{wall.seconds:.0f}", f"{wall.seconds / walls[0].seconds:.2f}")
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=200, help="per engine (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="that they are done in (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="of the pool (default: %(default)s)")
    parser.add_argument("--suite", type=Path, help="time whole runs of this one instead")
    parser.add_argument("--profile", default="quick", help="of the suite (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers here")
    chosen = parser.parse_args()
    measured: Sequence[Cost | Wall]
    if chosen.suite is None:
        measured = costs = job_costs(chosen.jobs, chosen.rounds, chosen.workers)
        Console().print(cost_table(costs))
    else:
        measured = walls = suite_walls(chosen.suite, chosen.profile, chosen.workers)
        Console().print(wall_table(walls))
    if chosen.json is not None:
        machine = {"cpus": os.cpu_count(), "load": list(os.getloadavg())}
        rows = [asdict(each) for each in measured]
        chosen.json.write_text(
            json.dumps({"machine": machine, "workers": chosen.workers, "rows": rows}, indent=2) + "\n"
        )


if __name__ == "__main__":
    main()
