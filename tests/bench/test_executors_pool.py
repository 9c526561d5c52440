"""Several jobs at a time: the same results, faults that stay with their job, and an end on demand."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import torch

from bench.errors import BenchError
from bench.execute import Progress
from bench.executors.local import LocalExecutor
from bench.executors.pool import PoolExecutor
from bench.job import Job
from bench.plan import make_plan
from bench.run import Run, run_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution

Write: TypeAlias = Callable[[object], Path]

BENCH = (sys.executable, "-c", "from bench.cli import main; main()")
DEADLY = """
import os, signal
from methods.nafnet import NAFNetMethod
from ugpnet.nn.nafnet import NAFNet


class Deadly(NAFNet):
    def forward(self, x):
        os.kill(os.getpid(), signal.SIGKILL)


class DeadlyMethod(NAFNetMethod):
    def network(self):
        return Deadly(3, 4, 1, (1,), (1,))
"""


class Notes:
    """What a watcher is told, in order."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, str]] = []

    def started(self, job: Job) -> None:
        self.lines.append(("started", job.kind, job.label))

    def progressed(self, progress: Progress) -> None:
        self.lines.append(("progressed", progress.job.kind, progress.job.label))

    def finished(self, job: Job, seconds: float) -> None:
        self.lines.append(("ended", job.kind, job.label))

    def failed(self, job: Job, reason: str) -> None:
        self.lines.append(("ended", job.kind, job.label))

    def most_at_once(self, kind: str) -> int:
        """Jobs at work while one of the kind was."""
        running: set[str] = set()
        most = 0
        for event, of, label in self.lines:
            if event == "started":
                running.add(f"{of} {label}")
            elif event == "ended":
                running.discard(f"{of} {label}")
            if any(each.startswith(kind) for each in running):
                most = max(most, len(running))
        return most


def run(path: Path, results: Path, workers: int, watcher: Notes | None = None) -> Run:
    store = Store(results).open()
    executor = PoolExecutor(workers) if workers > 1 else LocalExecutor()
    return run_plan(make_plan(load_suite(path), store.cache), store, Execution(), executor, watcher or Notes())


def contents(results: Path) -> dict[str, str]:
    """Digests of all that jobs made, but for times and what names the machine."""
    files = (path for path in (results / ".store").glob("*/*") if path.is_file())
    kept = [path for path in files if path.name not in ("job.json", "measure.json")]
    return {str(path.relative_to(results)): hashlib.sha256(path.read_bytes()).hexdigest() for path in kept}


@pytest.mark.slow
def test_two_at_a_time_leave_what_one_after_the_other_does(tiny: Path, tmp_path: Path) -> None:
    notes, threads = Notes(), torch.get_num_threads()
    made = run(tiny, tmp_path / "pool", 2, notes)
    assert made.outcome.failed == {}
    torch.set_num_threads(max(1, threads // 2))  # as many as each of the two has
    try:
        alone = run(tiny, tmp_path / "alone", 1)
    finally:
        torch.set_num_threads(threads)
    assert sorted(made.outcome.done) == sorted(alone.outcome.done)
    assert contents(tmp_path / "pool") == contents(tmp_path / "alone")
    rows = [(run.folder / "rows.parquet").read_bytes() for run in (made, alone)]
    assert rows[0] == rows[1]
    assert notes.most_at_once("train") == 2
    assert notes.most_at_once("measure") == 1
    assert any(event == "progressed" for event, *_ in notes.lines)


@pytest.mark.slow
def test_a_killed_process_fails_its_job_alone(
    write_suite: Write, tiny_document: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "deadly.py").write_text(DEADLY)
    monkeypatch.syspath_prepend(str(tmp_path))
    row = tiny_document["methods"]["nafnet"]
    path = write_suite({**tiny_document, "methods": {"mylab.deadly": deepcopy(row), "nafnet": row}})
    made = run(path, tmp_path / "results", 2)
    reasons = sorted(set(made.outcome.failed.values()))
    how = "its process was killed by SIGKILL, as the system does when memory is short"
    assert reasons == [
        f"mylab.deadly measure: {how}",
        f"mylab.deadly network: {how}; the same command goes on from its last checkpoint",
    ]
    labels = {job.key: job.label for job in make_plan(load_suite(path)).jobs}
    assert "nafnet score" in {labels[key] for key in made.outcome.done}


class Pruning(Notes):
    """Gives a training up after its first step, as a sweep's watcher does."""

    def progressed(self, progress: Progress) -> None:
        super().progressed(progress)
        if progress.job.kind == "train":
            raise BenchError(f"pruned after {progress.done} steps")


@pytest.mark.slow
def test_what_a_watcher_gives_up_ends_alone(write_suite: Write, tiny_document: dict[str, Any], tmp_path: Path) -> None:
    row = tiny_document["methods"]["nafnet"]
    row["budget"]["iterations"] = 100_000
    rows = {"nafnet": row, "input": {}}
    made = run(
        write_suite({**tiny_document, "methods": rows, "components": {}, "measure": None}), tmp_path, 2, Pruning()
    )
    assert set(made.outcome.failed.values()) == {"pruned after 1 steps"}
    assert len(made.outcome.done) == 3
    assert list((tmp_path / ".store" / ".work").glob("*/checkpoint-*.json"))


@pytest.mark.slow
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_stops_on_demand_and_goes_on(
    write_suite: Write, tiny_document: dict[str, Any], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """The signal goes to the one process, as a scheduler sends it; none of its jobs outlives it."""
    tiny_document["methods"]["nafnet"]["budget"]["iterations"] = 200
    path, results = write_suite(tiny_document), tmp_path / "results"
    command = [*BENCH, "run", str(path), "--results", str(results), "--workers", "2"]
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE)
    deadline = time.monotonic() + 300
    while not any((results / ".store" / ".work").glob("*/")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    made = run(path, results, 2)
    assert made.outcome.failed == {}
