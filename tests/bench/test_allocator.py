"""The allocator keeps what was freed, gives it back when told to, and changes no value."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

SCRIPT = """
import os, resource, sys
import torch
from bench.allocator import keep_freed_memory, return_freed_memory

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

if sys.argv[1] == "keep":
    assert keep_freed_memory() and keep_freed_memory()
held = torch.ones(1)  # the tensor that is freed is not the last block of the heap
def work():
    return float(torch.full((64 << 18,), 0.5).mul_(2).sum())
for _ in range(3):
    work()
before = faults()
values = {work() for _ in range(20)}
print(*values, faults() - before)
kept = resident()
return_freed_memory()
print(kept - resident())
"""


def run(mode: str) -> tuple[float, int, float]:
    """The value, page faults of twenty repetitions, MiB that go back at the end."""
    command = [sys.executable, "-c", SCRIPT, mode]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
    return float(said[0]), int(said[1]), float(said[2])


@pytest.mark.slow
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="of glibc alone")
def test_a_block_of_64_mib_is_paged_in_once_and_goes_back_when_told() -> None:
    value, faults, returned = run("keep")
    usual, many, nothing = run("leave")
    assert value == usual == 64 << 18
    assert many > 20 * 10_000  # every time anew, 4 KiB by 4 KiB
    assert faults < many / 2  # small blocks nibble at the free one: now and then it is a new one
    assert returned > 60 > nothing
