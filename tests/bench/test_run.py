"""The whole path on the tiny suite: run, run again, fail in part, resume."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from bench.executors.local import LocalExecutor
from bench.plan import make_plan
from bench.run import Run, run_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution

pytestmark = pytest.mark.slow


class Silent:
    """A watcher that remembers which jobs were started."""

    def __init__(self) -> None:
        self.labels: list[str] = []

    def started(self, job: Any) -> None:
        self.labels.append(job.label)

    def progressed(self, progress: Any) -> None: ...
    def finished(self, job: Any, seconds: float) -> None: ...
    def failed(self, job: Any, reason: str) -> None: ...


def run(path: Path, results: Path, *assignments: str, watcher: Any = None) -> Run:
    store = Store(results).open()
    plan = make_plan(load_suite(path, assignments=assignments), store.cache)
    return run_plan(plan, store, Execution(), LocalExecutor(), watcher or Silent())


def contents(folder: Path) -> dict[str, bytes]:
    """Everything that does not say when or how fast."""
    timed = {"manifest.json"}
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in timed
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Run]:
    tiny = Path(__file__).with_name("tiny.yaml")
    results = tmp_path_factory.mktemp("results")
    return tiny, results, run(tiny, results)


@pytest.mark.slow
def test_leaves_tables_figures_and_a_manifest(finished: tuple[Path, Path, Run]) -> None:
    _, _, made = finished
    files = set(contents(made.folder))
    assert {"table.md", "table.csv", "table.tex", "rows.parquet"} <= files
    assert {"figures/comparison.png", "figures/comparison.pdf", "figures/perception_distortion.png"} <= files
    manifest = json.loads((made.folder / "manifest.json").read_text())
    assert set(manifest) >= {"suite", "jobs", "environment", "seconds", "peak_memory", "failed", "unavailable"}


def test_rows_are_one_per_image_and_metric(finished: tuple[Path, Path, Run]) -> None:
    _, _, made = finished
    rows = pd.read_parquet(made.folder / "rows.parquet")
    assert list(rows.columns) == ["run", "test", "method", "variant", "seed", "image", "metric", "value", "key"]
    psnr = rows[rows.metric == "psnr"]
    assert psnr.groupby("method", sort=False).size().to_dict() == {"input": 3, "nafnet": 3, "gfpgan": 3, "ugpnet": 3}
    assert (rows[rows.metric == "swd"].image == "").all()


def test_the_second_run_does_nothing(finished: tuple[Path, Path, Run]) -> None:
    tiny, results, made = finished
    watcher = Silent()
    again = run(tiny, results, watcher=watcher)
    assert watcher.labels == []
    assert again.outcome.done == []
    assert contents(again.folder) == contents(made.folder)


@pytest.mark.slow
def test_another_row_costs_only_itself(finished: tuple[Path, Path, Run]) -> None:
    tiny, results, _ = finished
    watcher = Silent()
    run(tiny, results, "ugpnet.fusion.lambda_per=1", watcher=watcher)
    assert watcher.labels == ["ugpnet fusion", "ugpnet restore", "ugpnet score", "ugpnet measure"]


@pytest.mark.slow
def test_the_same_bits_elsewhere(finished: tuple[Path, Path, Run], tmp_path: Path) -> None:
    tiny, _, made = finished
    again = run(tiny, tmp_path)
    skipped = {"table.md", "table.csv", "table.tex", "report.json", "report.html"}  # they hold latencies
    for name, content in contents(made.folder).items():
        if name not in skipped and not name.startswith("figures/"):
            assert content == contents(again.folder)[name], name


@pytest.mark.slow
def test_one_failing_method_leaves_the_others(
    finished: tuple[Path, Path, Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny, _, _ = finished
    from ugpnet.losses.patch_contextual import PatchContextualLoss

    monkeypatch.setattr(PatchContextualLoss, "forward", lambda *_: 1 / 0)
    made = run(tiny, tmp_path)
    assert set(made.outcome.failed.values()) == set(list(made.outcome.failed.values())[:1])
    assert "ugpnet fusion: ZeroDivisionError" in next(iter(made.outcome.failed.values()))
    table = (made.folder / "table.md").read_text()
    assert "ZeroDivisionError" in table
    assert pd.read_parquet(made.folder / "rows.parquet").method.unique().tolist() == ["input", "nafnet", "gfpgan"]


def test_nan_stops_that_job_with_a_reason(tiny: Path, tmp_path: Path) -> None:
    made = run(tiny, tmp_path / "results", "nafnet.training.optim.lr=1.0e+30", "nafnet.budget.iterations=4")
    assert any("step" in reason for reason in made.outcome.failed.values())
    assert len(made.outcome.failed) > 1  # ugpnet builds on it


def test_a_damaged_result_is_named(finished: tuple[Path, Path, Run], tmp_path: Path) -> None:
    _, results, made = finished
    copy = tmp_path / "results"
    shutil.copytree(results, copy)
    store = Store(copy)
    key = made.outcome.done[0]
    victim = next(path for path in store.path(key).rglob("*") if path.is_file() and path.name != "job.json")
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.write_bytes(content)
    assert store.damaged(key) == [str(victim.relative_to(store.path(key)))]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_goes_on_to_the_same_bits(
    finished: tuple[Path, Path, Run], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    """Stopped in the middle of a training by a signal, the same command ends with what an unbroken run leaves."""
    tiny, _, _ = finished
    command = [
        sys.executable,
        "-c",
        "from bench.cli import main; main()",
        "run",
        str(tiny),
        "--set",
        "nafnet.budget.iterations=60",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    subprocess.run([*command, "--results", str(unbroken)], env=environment, check=True, capture_output=True)
    process = subprocess.Popen(
        [*command, "--results", str(broken)], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    _wait_for(lambda: any((broken / ".store/.work").glob("*/")), process)
    time.sleep(0.3)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == code
    subprocess.run([*command, "--results", str(broken)], env=environment, check=True, capture_output=True)
    assert _weights(broken) == _weights(unbroken)


def _weights(results: Path) -> dict[str, bytes]:
    return {path.parent.name: path.read_bytes() for path in (results / ".store").glob("*/weights.safetensors")}


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.05)
