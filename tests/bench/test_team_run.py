"""`bench run --processes N`: the whole path in several processes, and what becomes of it when one of them is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file
from typer.testing import CliRunner

from bench.cli import app

TINY = Path(__file__).parent / "tiny.yaml"
BENCH = (sys.executable, "-c", "from bench.cli import main; main()")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """Two regressors, one of which diverges, and validation."""
    document: dict[str, Any] = yaml.safe_load(TINY.read_text())
    nafnet = document["methods"]["nafnet"]
    nafnet["budget"] = {"iterations": 3, "batch_size": 2, "patch": 16, "flips": ["horizontal"], "validate_every": 2}
    document["methods"] = {
        "input": {}, "nafnet": nafnet, "wild": deepcopy({"method": "nafnet", **nafnet, "training": {"optim": {"lr": 1e30}}}),
    }  # fmt: skip
    document["data"]["val"] = {"source": "portraits", "split": "val", "count": 3, "size": 32}
    document["measure"] = None
    del document["components"]
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def start(suite: Path, results: Path, *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    arguments = (*BENCH, "run", str(suite), "--results", str(results), *options)
    return subprocess.Popen(
        arguments, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )  # fmt: skip


def weights(results: Path) -> dict[str, dict[str, Any]]:
    found = {}
    for record in results.glob(".store/*/job.json"):
        content = json.loads(record.read_text())
        if content["kind"] == "train":
            found[content["label"]] = load_file(record.with_name("weights.safetensors")) | {"record": content}
    return found


def scores(results: Path) -> pd.DataFrame:
    (rows,) = results.glob("tiny/*/rows.parquet")
    return pd.read_parquet(rows)


@pytest.mark.slow
def test_the_tables_are_those_of_one_process(suite: Path, tmp_path: Path) -> None:
    alone, team = start(suite, tmp_path / "alone"), start(suite, tmp_path / "team", "--processes", "2")
    said_team, _ = team.communicate()[0], alone.communicate()
    assert (alone.returncode, team.returncode) == (1, 1), said_team  # the wild one fails, and nothing else
    assert "wild" in said_team
    assert said_team.count("jobs done") == 1  # one process prints
    one, other = weights(tmp_path / "alone"), weights(tmp_path / "team")
    assert one.keys() == other.keys() == {"nafnet network"}
    assert other["nafnet network"].pop("record")["processes"] == 2
    assert "processes" not in one["nafnet network"].pop("record")
    for name, tensor in one["nafnet network"].items():
        assert abs(tensor - other["nafnet network"][name]).max() < 1e-5
    pd.testing.assert_frame_equal(scores(tmp_path / "alone"), scores(tmp_path / "team"), atol=0.05)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "status"), [(signal.SIGKILL, 2), (signal.SIGTERM, 143)])
def test_a_lost_process_ends_the_run_which_then_goes_on(suite: Path, tmp_path: Path, number: int, status: int) -> None:
    results = tmp_path / "results"
    running = start(suite, results, "--processes", "2", "--set", "nafnet.budget.iterations=2000")
    while not list(results.glob(".store/.work/*/")):
        assert running.poll() is None, running.communicate()[0]
        time.sleep(0.2)
    time.sleep(2)
    if number == signal.SIGKILL:
        os.kill(_followers(running.pid)[-1], number)
    else:
        running.send_signal(number)
    said = running.communicate(timeout=60)[0]
    assert running.returncode == status, said
    assert "goes on from" in said
    assert "Traceback" not in said
    again = start(suite, results, "--processes", "2", "--set", "nafnet.budget.iterations=3")
    assert "nafnet" in again.communicate()[0]
    assert again.returncode == 1  # of the wild one


@pytest.mark.slow
def test_a_mistake_is_said_once(tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("name: 3\nmethods: {}")
    running = start(tmp_path / "bad.yaml", tmp_path / "results", "--processes", "2")
    said = running.communicate(timeout=120)[0]
    assert running.returncode == 2, said
    assert said.count("bad.yaml: name:") == 1
    assert "Traceback" not in said


def test_several_jobs_in_several_processes_each_need_a_scheduler(suite: Path) -> None:
    result = CliRunner().invoke(app, ["run", str(suite), "--workers", "2", "--processes", "2"])
    assert result.exit_code == 2
    assert "--workers" in result.output


def _followers(launcher: int) -> list[int]:
    said = subprocess.run(["ps", "-o", "pid=", "--ppid", str(launcher)], text=True, capture_output=True, check=True)
    return sorted(int(line) for line in said.stdout.split())
