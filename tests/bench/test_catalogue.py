"""`bench methods`: what is told is what the code has."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

import methods
from bench.catalogue import REQUIRED, Entry, describe, list_methods
from bench.cli import app
from bench.document import read_value
from methods.base import names


def told(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["methods", *arguments], env={"COLUMNS": "120"})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def entries() -> list[Entry]:
    return list_methods()


def test_every_method_is_listed_once(entries: list[Entry]) -> None:
    assert sorted(entry.name for entry in entries) == sorted(names())
    assert [entry.facts.family for entry in entries][-1] == "prior"
    adapters = {
        name for name in names() if any(f.is_required() for f in methods.load(name).Config.model_fields.values())
    }
    assert {entry.name for entry in entries if not entry.tasks} == adapters


def test_tasks_and_parameters_are_the_methods_own(entries: list[Entry]) -> None:
    by_name = {entry.name: entry for entry in entries}
    assert by_name["glean"].tasks == ("sr",)
    assert by_name["nafnet"].tasks == ("deblur", "denoise")
    assert by_name["stylegan2"].tasks == ("prior",)
    assert by_name["nafnet"].parameters == pytest.approx(17.1e6, rel=0.01)  # the authors' count
    assert by_name["input"].parameters == 0


def test_the_table_fits_a_terminal() -> None:
    lines = CliRunner().invoke(app, ["methods"], env={"COLUMNS": "80"}).output.splitlines()
    assert any("gfpgan" in line and "86.4 M" in line and "Apache-2.0" in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert not any("…" in line for line in lines)


@pytest.mark.parametrize("name", names())
def test_one_method_is_told_in_full(name: str) -> None:
    text, facts = told(name), methods.load(name).facts
    for fact in (facts.title, facts.venue, facts.arxiv, facts.code, *facts.bibtex.splitlines()):
        assert fact in text


@pytest.mark.parametrize("name", names())
def test_every_field_that_is_told_can_be_set_to_its_default(name: str) -> None:
    """Paths exist, and defaults, read as YAML, are valid values."""
    for field in describe(name).fields:
        kind: Any = methods.load(name).Config
        *inner, last = field.path.split(".")
        for part in inner:
            kind = type(kind.model_fields[part].default)
        annotation = kind.model_fields[last].annotation
        if not field.values.startswith("a row") and field.default != REQUIRED:
            TypeAdapter(annotation).validate_python(read_value(field.default))


def test_a_sheet_names_what_a_training_needs() -> None:
    sheet = describe("gfpgan")
    assert [stage.name for stage in sheet.stages] == ["restoration"]
    assert list(sheet.extra) == ["vgg19"]
    assert {field.path: field.values for field in sheet.fields}["prior"] == "a row or component"
    assert "800,000" in told("gfpgan")


def test_an_entry_names_the_released_checkpoints() -> None:
    weights = {entry.name: {file.name for file in entry.weights} for entry in list_methods()}
    assert "gfpgan-v1.4" in weights["gfpgan"]
    assert weights["unet"] == set()


def test_a_method_outside_is_told_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An adapter that wants a path has no size of its own."""
    (tmp_path / "outsider.py").write_text(
        "from methods.base import Facts, Method\nfrom ugpnet.recipe import Config\n"
        "class Given(Config):\n    path: str\n"
        "class Outsider(Method):\n    version = 1\n    Config = Given\n    facts = Facts(title='A lab', family='regression')\n"
        "    def network(self):\n        return None\n    def restorer(self, weights):\n        return None\n"
    )
    (tmp_path / "alab").mkdir()
    (tmp_path / "outsider.py").rename(tmp_path / "alab" / "outsider.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert describe("alab.outsider").fields[0].default == "to be given"
    assert "A lab" in told("alab.outsider")


def test_an_unknown_method_is_answered_with_the_nearest() -> None:
    result = CliRunner().invoke(app, ["methods", "gfpgam"])
    assert result.exit_code == 2
    assert "did you mean 'gfpgan'?" in result.output
