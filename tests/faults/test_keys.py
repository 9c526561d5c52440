"""The same suite has the same keys, and a training the same bits, whatever process plans or prepares it."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bench.execute import run_job
from bench.train.execution import Execution

PLAN = """
import sys, time
from pathlib import Path
time.time = lambda: float(sys.argv[2])
time.time_ns = lambda: int(float(sys.argv[2]) * 1e9)
from bench.plan import make_plan
from bench.suite import load_suite
print(*[job.key for job in make_plan(load_suite(Path(sys.argv[1]))).jobs])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "zone", "language", "clock"), [
    ("1", "Pacific/Kiritimati", "C", "1.0"), ("4294967295", "America/St_Johns", "de_DE.UTF-8", "1e11"),
])  # fmt: skip
def test_keys_do_not_depend_on_seeds_places_and_clocks(
    work: Any, suite_file: Path, seed: str, zone: str, language: str, clock: str
) -> None:
    changed = {"PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": language}
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2]), **changed}
    command = [sys.executable, "-c", PLAN, str(suite_file), clock]
    printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert printed.split() == [job.key for job in work.plan.jobs]


@pytest.fixture
def started_by() -> Iterator[Callable[[str], None]]:
    """Sets how Python starts processes: `fork` is Linux's way up to 3.13, `spawn` that of other systems."""
    before = multiprocessing.get_start_method(allow_none=True)
    yield lambda method: multiprocessing.set_start_method(method, force=True)
    multiprocessing.set_start_method(before, force=True)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_loaders_of_any_start_method_give_the_same_bits(
    work: Any, started_by: Callable[[str], None], clean_bits: Mapping[str, bytes], method: str
) -> None:
    started_by(method)
    [job] = (job for job in work.plan.jobs if job.label == "nafnet network")
    assert run_job(job, work.store, Execution(loaders=2), lambda progress: None)
    for name in work.store.record(job.key)["files"]:
        assert (work.store.path(job.key) / name).read_bytes() == clean_bits[f"{job.label}/{name}"]
