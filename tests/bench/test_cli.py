"""The command line: exit codes, messages, and nothing heavy before it is needed."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from typer.testing import CliRunner, Result

from bench.cli import app

Write: TypeAlias = Callable[[object], Path]


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


def test_help_imports_nothing_heavy() -> None:
    heavy = {"torch", "numpy", "pandas", "pydantic", "matplotlib"}
    program = f"import sys, bench.cli; print(*sorted(set(sys.modules) & {heavy!r}))"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert loaded.split() == []


def test_help_names_the_commands() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert all(name in result.output for name in ("run", "plan", "restore", "methods", "parity"))


def test_a_mistake_is_one_message(tmp_path: Path) -> None:
    result = invoke("run", str(tmp_path / "gone.yaml"), "--results", str(tmp_path))
    assert result.exit_code == 2
    assert "gone.yaml: no such file" in result.output
    assert "Traceback" not in result.output


def test_plan_runs_nothing(tiny: Path, tmp_path: Path) -> None:
    result = invoke("plan", str(tiny), "--results", str(tmp_path / "results"))
    assert result.exit_code == 0
    assert "ugpnet fusion" in result.output
    assert not list((tmp_path / "results").glob(".store/*/job.json"))


def test_labels_are_no_markup_and_no_commands(
    write_suite: Write, tiny_document: dict[str, Any], tmp_path: Path
) -> None:
    tiny_document["methods"] = {"a[/b]": {"method": "input"}, "\x1b[2J[red]": {"method": "input"}}
    suite = write_suite(tiny_document)
    for command in ("plan", "run"):
        result = invoke(command, str(suite), "--set", "metrics=[psnr]", "--results", str(tmp_path / "results"))
        assert result.exit_code == 0, result.output
        assert "a[/b] score" in result.output
        assert "\x1b[2J" not in result.output
    assert "\N{REPLACEMENT CHARACTER}[2J[red" in result.output


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_an_unwritable_folder_is_named_before_any_work(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    result = invoke("run", str(tiny), "--results", str(tmp_path / "locked"))
    assert result.exit_code == 2
    assert "results cannot be written here" in result.output


def test_a_file_in_place_of_the_folder_is_named(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "results").write_text("")
    result = invoke("run", str(tiny), "--results", str(tmp_path / "results"))
    assert result.exit_code == 2
    assert "results cannot be written here" in result.output


def test_an_empty_data_folder_is_named(tiny: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = invoke("plan", str(tiny), "--set", f"data.train={{source: folder, path: {tmp_path / 'empty'}, size: 32}}")
    assert result.exit_code == 2
    assert "empty" in result.output


def test_parity_without_oracles_says_so(tmp_path: Path) -> None:
    result = invoke("parity", str(tmp_path))
    assert result.exit_code == 2
    assert "no oracle" in result.output
