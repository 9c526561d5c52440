"""What a run depends on goes away beneath it: a process that prepares batches, the GPU."""

from __future__ import annotations

import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.executors.base import Unwatched
from bench.job import Job
from ugpnet.nn.nafnet import NAFNet

DEATHS = {
    "before 2.8": RuntimeError("CUDA error: device-side assert triggered\nCUDA kernel errors might be reported later"),
    "since": getattr(torch, "AcceleratorError", RuntimeError)("CUDA error: an illegal memory access was encountered"),
}


class Remembering(Unwatched):
    """Which jobs were begun."""

    def __init__(self) -> None:
        self.begun: list[str] = []

    def started(self, job: Job) -> None:
        self.begun.append(job.label)


def in_training(monkeypatch: pytest.MonkeyPatch, act: Callable[[], None]) -> None:
    """`act` comes in the middle of every training step of NAFNet."""
    call = NAFNet.forward

    def forward(self: NAFNet, x: Tensor) -> Tensor:
        if self.training:
            act()
        return call(self, x)

    monkeypatch.setattr(NAFNet, "forward", forward)


@pytest.mark.slow
def test_a_loader_worker_that_is_killed(
    work: Any, monkeypatch: pytest.MonkeyPatch, clean_bits: Mapping[str, bytes]
) -> None:
    """As by the system where memory ends: that training fails by name, others go on, and the same command goes on."""

    def kill() -> None:
        os.kill(multiprocessing.active_children()[0].pid or 0, signal.SIGKILL)
        time.sleep(0.2)

    with monkeypatch.context() as patch:
        in_training(patch, kill)
        failed = work.reasons(work.do(loaders=2))
    assert set(failed) == {"nafnet network", "nafnet restore", "nafnet score"}
    assert "nafnet network: a process that prepares batches was killed (" in failed["nafnet network"]
    assert "--loaders 0" in failed["nafnet network"]
    assert not multiprocessing.active_children()
    assert work.do(loaders=2).failed == {}
    assert work.bits() == clean_bits


@pytest.mark.parametrize("error", DEATHS.values(), ids=DEATHS)
def test_a_gpu_that_is_lost(
    work: Any, monkeypatch: pytest.MonkeyPatch, clean_bits: Mapping[str, bytes], error: Exception
) -> None:
    """It refuses all work of its process from then on, so nothing more is begun, and what was finished stays."""

    def fail() -> None:
        raise error

    watcher = Remembering()
    with monkeypatch.context() as patch:
        in_training(patch, fail)
        outcome = work.do(watcher)
    failed = work.reasons(outcome)
    assert watcher.begun == ["input restore", "input score", "nafnet network"]
    assert failed["nafnet network"].startswith("nafnet network: the GPU failed (CUDA error: ")
    assert failed["gfpgan restoration"].startswith("not begun, as the GPU failed in 'nafnet network'; the same command")
    assert work.do().failed == {}
    assert work.bits() == clean_bits


def train_and_wait(work: Any, loaders: Path) -> None:
    """A training with loaders, whose ids go to a file, that stands still."""

    def stop() -> None:
        loaders.write_text(" ".join(str(child.pid) for child in multiprocessing.active_children()))
        time.sleep(600)

    with pytest.MonkeyPatch.context() as patch:
        in_training(patch, stop)
        work.do(loaders=2)


@pytest.mark.slow
def test_the_loaders_of_a_killed_run_end_by_themselves(
    work: Any, tmp_path: Path, clean_bits: Mapping[str, bytes]
) -> None:
    """As torch's do within seconds; until then they hold their run's lock, and whoever goes on waits for them."""
    note = tmp_path / "loaders"
    run = multiprocessing.get_context("fork").Process(target=train_and_wait, args=(work, note))
    run.start()
    deadline = time.monotonic() + 120
    while not (note.exists() and len(note.read_text().split()) == 2):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    run.kill()
    run.join()
    assert work.do().failed == {}
    assert work.bits() == clean_bits
    for worker in map(int, note.read_text().split()):
        while Path(f"/proc/{worker}").exists() and "Z" not in state(worker):
            assert time.monotonic() < deadline
            time.sleep(0.1)


def state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "Z"
