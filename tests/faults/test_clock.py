"""A clock that jumps changes no result, takes nothing that is needed, and keeps nobody waiting."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

from bench.storekeeping.garbage import DAY, find_garbage
from bench.storekeeping.runs import announce, needed_keys
from ugpnet.nn.nafnet import NAFNet

YEARS = 365 * DAY
NOW = time.time()


def jumping() -> Iterator[float]:
    """Years forward and years back at every look."""
    return (NOW + sign * 10 * YEARS for sign in itertools.cycle((1, -1, 0)))


@pytest.fixture
def jumps(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock on the wall; durations are taken from another, which the system promises not to set."""
    clock = jumping()
    monkeypatch.setattr(time, "time", lambda: next(clock))
    monkeypatch.setattr(time, "time_ns", lambda: int(next(clock) * 1e9))


class Stopped(BaseException):
    """As Ctrl-C, no fault of the job."""


@pytest.mark.parametrize("years", [10, -10])
def test_work_goes_on_under_a_clock_that_jumps(
    work: Any, jumps: None, monkeypatch: pytest.MonkeyPatch, clean_bits: Mapping[str, bytes], years: int
) -> None:
    """Stopped in a training, everything dated years ahead or back, and gone on with."""
    steps = itertools.count()
    call = NAFNet.forward

    def forward(self: NAFNet, x: Tensor) -> Tensor:
        if self.training and next(steps) == 7:
            raise Stopped
        return call(self, x)

    with monkeypatch.context() as patch:
        patch.setattr(NAFNet, "forward", forward)
        with pytest.raises(Stopped):
            work.do(checkpoint_every=3)
    date(work.store.folder, years)
    began = {path: path.stat().st_ino for path in work.store.folder.glob("*/job.json")}
    assert work.do(checkpoint_every=3).failed == {}
    assert next(steps) > 7
    assert work.bits() == clean_bits
    assert all(path.stat().st_ino == inode for path, inode in began.items())


@pytest.mark.parametrize("years", [10, -10])
def test_garbage_is_what_nothing_needs_whatever_its_date(work: Any, years: int) -> None:
    """Of what is needed nothing is, however old it looks; work that nothing goes on from waits where it is dated ahead."""
    announce(work.store.root / "faults" / "quick-1", work.plan.jobs, work.store)
    assert work.do().failed == {}
    resumed, forgotten = (work.store.folder / ".work" / name for name in (work.plan.jobs[0].key, "f" * 20))
    work.store.discard(resumed.name)
    for folder in (resumed, forgotten):
        folder.mkdir()
        (folder / "checkpoint-000000001.json").touch()
    date(work.store.folder, years)
    needed = needed_keys(work.store, [work.store.root / "faults" / "quick-1"])
    found = [garbage.path for garbage in find_garbage(work.store, needed, cache=False)]
    assert found == ([] if years > 0 else [forgotten])


def date(folder: Path, years: int) -> None:
    """Everything in it was written so many years from now."""
    then = NOW + years * YEARS
    for path in [*folder.rglob("*"), folder]:
        os.utime(path, (then, then))
