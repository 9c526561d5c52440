"""Reading, overlaying and overriding YAML documents."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.document import overlay, override, read_document
from bench.errors import SuiteError
from bench.inheritance import read_extended

DOCUMENTS = st.recursive(
    st.integers() | st.text(max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
).filter(lambda value: isinstance(value, dict))


def test_reads_a_mapping(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: a\nlist: [1, 2]\n")
    assert read_document(path) == {"name": "a", "list": [1, 2]}


def test_a_date_is_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("name: 2024-01-19\n")
    assert read_document(path) == {"name": "2024-01-19"}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\na: 2\n", "line 2: 'a' is given twice"),
        ("a: &x [1]\nb: *x\n", "aliases are not allowed"),
        ("- 1\n", "found list"),
        ("a: [1\n", "line"),
        ("a: !!python/object/apply:os.system [ls]\n", "could not determine a constructor"),
        ("", "found NoneType"),
        ("a: 1\nb: [.nan]\n", "line 2: .nan is not a finite number"),
        ("a: -.inf\n", "line 1: -.inf is not a finite number"),
        ("a: 1.0e+400\n", "line 1: 1.0e.400 is not a finite number"),
        ("a:\n  b: " + "[" * 49 + "]" * 49 + "\n", "line 2: nested deeper than 50"),
        ("a: " + "{b: " * 100_000, "line 1: nested deeper than 50"),
        ("a: !!set {x}\n", "could not determine a constructor"),
        ("a: !!binary aGk=\n", "could not determine a constructor"),
    ],
)
def test_refuses_with_place_and_reason(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(text)
    with pytest.raises(SuiteError, match=problem) as caught:
        read_document(path)
    assert str(caught.value).startswith(str(path))


def test_an_exponential_document_is_refused_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(
        "a: &a [x, x]\n" + "".join(f"{n}: &{n} [*{p}, *{p}]\n" for p, n in zip("abcdefg", "bcdefgh", strict=True))
    )
    with pytest.raises(SuiteError, match="aliases"):
        read_document(path)


@given(DOCUMENTS, DOCUMENTS)
def test_overlay_keeps_what_is_not_named(base: dict[str, object], over: dict[str, object]) -> None:
    merged = overlay(base, over)
    assert set(merged) == set(base) | set(over)
    assert all(merged[key] == base[key] for key in set(base) - set(over))


@given(DOCUMENTS)
def test_overlay_with_itself_changes_nothing(base: dict[str, object]) -> None:
    assert overlay(base, base) == base


def test_another_source_starts_from_nothing() -> None:
    base = {"train": {"source": "portraits", "split": "train", "count": 3}}
    assert overlay(base, {"train": {"source": "folder", "path": "x"}}) == {"train": {"source": "folder", "path": "x"}}


def test_null_removes() -> None:
    assert overlay({"a": 1, "b": 2}, {"a": None}) == {"b": 2}


def test_override_finds_rows_and_lists() -> None:
    document = {"methods": {"ugpnet": None}, "degradation": [{"op": "motion_blur"}]}
    changed = override(document, ["ugpnet.fusion.lambda_per=5", "degradation.0.kernel_size=9", "seeds=[1, 2]"])
    assert changed["methods"]["ugpnet"] == {"fusion": {"lambda_per": 5}}
    assert changed["degradation"] == [{"op": "motion_blur", "kernel_size": 9}]
    assert changed["seeds"] == [1, 2]
    assert document["methods"]["ugpnet"] is None


@pytest.mark.parametrize(
    ("assignment", "problem"),
    [
        ("a", "write path.to.field=value"),
        ("a=[", "not a YAML value"),
        ("seeds.4=1", "not an index"),
        ("name.x=1", "not a mapping"),
    ],
)
def test_override_says_what_is_wrong(assignment: str, problem: str) -> None:
    with pytest.raises(SuiteError, match=problem):
        override({"seeds": [1], "name": "a"}, [assignment])


def test_only_true_and_false_are_booleans(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text("a: off\nb: yes\nc: true\nd: False\ne: [on, 1e-4, null]\n")
    assert read_document(path) == {"a": "off", "b": "yes", "c": True, "d": False, "e": ["on", "1e-4", None]}
    assert override({"a": 1}, ["a=off"]) == {"a": "off"}


@pytest.mark.parametrize("text", [
    "a: false}", "{a: b}: c", "[1]: 2", "a: 0001-01-01 00:00:00+23:59", "a: " + "9" * 5000, "a: " + "[" * 3000,
    "a: !!int x", "a: !!timestamp x",
])  # fmt: skip
def test_what_yaml_stumbles_over_is_named(tmp_path: Path, text: str) -> None:
    """Found by tests/properties: errors of PyYAML that are none of its own."""
    path = tmp_path / "s.yaml"
    path.write_text(text)
    with suppress(SuiteError):
        read_document(path)
    with suppress(SuiteError):
        override({}, [f"field={text}"])


@pytest.mark.parametrize("base", ["x" * 300, "x" * 5000, "~nobody-of-this-name/x", "a\0b"])
def test_a_base_that_no_file_can_be_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, base: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text(json.dumps({"extends": base}))
    with pytest.raises(SuiteError, match=r"s\.yaml: extends: no file"):
        read_extended(Path("s.yaml"))
