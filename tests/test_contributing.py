"""CONTRIBUTING.md's own method, typed as printed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.plan import make_plan
from bench.suite import load_suite

ROOT = Path(__file__).parents[1]


def block(language: str, containing: str) -> str:
    """The one fenced block in this language with this text."""
    blocks = re.findall(rf"```{language}\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    (found,) = [text for text in blocks if containing in text]
    return str(found)


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder with the method and the suite as printed, and the `bench` script in another one."""
    folder = tmp_path / "lab"
    (folder / "mylab").mkdir(parents=True)
    (folder / "mylab" / "mymethod.py").write_text(block("python", "MyMethod"))
    (folder / "mine.yaml").write_text(block("yaml", "mylab.mymethod"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "bench").write_text(f"#!{sys.executable}\nfrom bench.cli import main\nmain()\n")
    (tmp_path / "bin" / "bench").chmod(0o755)
    return folder


@pytest.mark.slow
def test_the_printed_command_gives_a_table(lab: Path, tmp_path: Path) -> None:
    path = os.pathsep.join([str(tmp_path / "bin"), os.environ["PATH"]])
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    made = subprocess.run(
        ["bash", "-ec", block("bash", "bench run mine.yaml")], cwd=lab, env=environment, capture_output=True, text=True
    )
    assert made.returncode == 0, made.stdout + made.stderr
    (table,) = (lab / "results" / "mine").glob("*/table.csv")
    assert "mylab.mymethod" in table.read_text()


def test_it_can_be_ugpnet_s_regressor(
    lab: Path, tiny_document: dict[str, Any], write_suite: Callable[[object], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(lab))
    ugpnet = {**tiny_document["methods"]["ugpnet"], "regressor": "mylab.mymethod"}
    plan = make_plan(load_suite(write_suite({**tiny_document, "methods": {"ugpnet": ugpnet}})))
    trained = [job.label for job in plan.jobs if job.kind == "train"]
    assert trained[:2] == ["mylab.mymethod network", "ugpnet restoration"]
