"""Two runs of one suite at once, in one folder of results: each job is done by one of them, and what both write is whole."""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping
from typing import Any

import pytest
from inspection import Inspector

from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.run import run_plan
from bench.train.execution import Execution


def run(work: Any, begin: Any, done: Any) -> None:
    begin.wait()
    made = run_plan(work.plan, work.store, Execution(), LocalExecutor(), Unwatched())
    done.put((made.outcome.done, made.outcome.failed))


@pytest.mark.slow
def test_two_runs_at_once_share_the_work(work: Any, clean_bits: Mapping[str, bytes]) -> None:
    fork = multiprocessing.get_context("fork")
    begin, done = fork.Barrier(2), fork.Queue()
    runs = [fork.Process(target=run, args=(work, begin, done)) for _ in range(2)]
    for process in runs:
        process.start()
    outcomes = [done.get(timeout=500) for _ in runs]
    for process in runs:
        process.join(60)
    assert [process.exitcode for process in runs] == [0, 0]
    assert [failed for _, failed in outcomes] == [{}, {}]
    assert sorted(outcomes[0][0] + outcomes[1][0]) == sorted(job.key for job in work.plan.jobs)
    assert work.bits() == clean_bits
    assert Inspector(work.store.root).inspect() == []
