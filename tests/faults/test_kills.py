"""Runs that are killed, in any place and any number of times, end with the bytes of one that nothing happened to."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
KILLS = int(os.environ.get("BENCH_FAULT_KILLS", "4"))


@pytest.mark.slow
@pytest.mark.timeout(600 + 60 * KILLS)
def test_sigkill_anywhere_leaves_whole_files_and_the_same_bytes() -> None:
    """With and without loaders; what is compared with was made without."""
    command = [sys.executable, str(HERE), "--kills", str(KILLS), "--loaders", "0", "2"]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent.parent)}
    made = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    assert made.stdout.count(f": {KILLS} kills") == 2, made.stdout
