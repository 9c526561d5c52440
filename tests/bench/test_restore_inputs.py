"""Files, folders and patterns: what is found, where it goes, what is said about the rest."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from bench.restore.inputs import Inputs, collect


@pytest.fixture
def files(tmp_path: Path) -> Callable[..., Path]:
    """Makes empty files below a folder `in`."""

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return tmp_path / "in"

    return make


def targets(found: Inputs, out: Path) -> dict[str, str]:
    return {entry.source.name: entry.target.relative_to(out).as_posix() for entry in found.entries}


def names(paths: Iterable[Path]) -> list[str]:
    return [path.name for path in paths]


def test_a_folder_is_searched_and_its_structure_kept(files: Callable[..., Path], tmp_path: Path) -> None:
    folder = files("10.jpg", "2.png", "sub/a.TIF", "sub/.hidden.png", ".cache/b.png", "notes.txt")
    found = collect([str(folder)], tmp_path / "out")
    assert targets(found, tmp_path / "out") == {"2.png": "2.png", "10.jpg": "10.png", "a.TIF": "sub/a.png"}
    assert names(entry.source for entry in found.entries) == ["2.png", "10.jpg", "a.TIF"]
    assert found.failed == {}


def test_a_pattern_keeps_what_is_below_its_fixed_part(files: Callable[..., Path], tmp_path: Path) -> None:
    folder = files("a.png", "x/b.png", "x/c.jpg")
    found = collect([f"{folder}/**/*.png"], tmp_path / "out")
    assert targets(found, tmp_path / "out") == {"a.png": "a.png", "b.png": "x/b.png"}


def test_a_name_with_brackets_is_a_name(files: Callable[..., Path], tmp_path: Path) -> None:
    folder = files("a[1].png")
    assert targets(collect([str(folder / "a[1].png")], tmp_path), tmp_path) == {"a[1].png": "a[1].png"}


def test_the_same_image_is_restored_once(files: Callable[..., Path], tmp_path: Path) -> None:
    folder = files("a.png")
    found = collect([str(folder), str(folder / "a.png"), f"{folder}/*.png"], tmp_path / "out")
    assert len(found.entries) == 1


def test_images_of_one_name_keep_their_suffixes(files: Callable[..., Path], tmp_path: Path) -> None:
    folder = files("a.png", "a.jpg", "b.jpg")
    found = collect([str(folder)], tmp_path / "out")
    assert targets(found, tmp_path / "out") == {"a.png": "a.png.png", "a.jpg": "a.jpg.png", "b.jpg": "b.png"}


def test_two_images_never_share_a_file(files: Callable[..., Path], tmp_path: Path) -> None:
    folder = files("one/a.png", "two/a.png")
    found = collect([str(folder / "one"), str(folder / "two")], tmp_path / "out")
    assert len(found.entries) == 1
    [reason] = found.failed.values()
    assert "made from" in reason
    assert "one/a.png" in reason


def test_no_image_is_written_over_itself(files: Callable[..., Path]) -> None:
    folder = files("a.png", "b.jpg")
    found = collect([f"{folder}/a.png", f"{folder}/b.jpg"], folder)
    assert names(entry.source for entry in found.entries) == ["b.jpg"]
    assert "choose another --out" in found.failed[str(folder / "a.png")]


def test_the_output_inside_the_input_is_no_input(files: Callable[..., Path]) -> None:
    folder = files("a.png", "restored/a.png", "restored/sub/b.png")
    for given in (str(folder), f"{folder}/**/*.png"):
        assert names(entry.source for entry in collect([given], folder / "restored").entries) == ["a.png"]


def test_images_below_the_output_are_images(files: Callable[..., Path], tmp_path: Path) -> None:
    folder = files("a.png", "b.png")
    for given in (str(folder), f"{folder}/*.png"):
        assert len(collect([given], tmp_path).entries) == 2


def test_a_folder_is_not_restored_into_itself(files: Callable[..., Path]) -> None:
    folder = files("a.jpg")
    found = collect([str(folder)], folder)
    assert found.entries == []
    assert "choose another --out" in found.failed[str(folder)]


def test_what_is_not_there_is_named(files: Callable[..., Path], tmp_path: Path) -> None:
    folder = files("notes.txt")
    found = collect([str(tmp_path / "gone.png"), str(folder), f"{folder}/*.png"], tmp_path / "out")
    assert found.entries == []
    assert found.failed[str(tmp_path / "gone.png")] == "no such file or folder"
    assert "holds no image" in found.failed[str(folder)]
    assert "no file matches" in found.failed[f"{folder}/*.png"]


def test_an_unreadable_folder_is_named_and_the_rest_found(
    files: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = files("a.png", "locked/b.png", "open/c.png")
    scan = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("locked"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", refuse)
    found = collect([str(folder)], tmp_path / "out")
    assert names(entry.source for entry in found.entries) == ["a.png", "c.png"]
    assert found.failed == {str(folder / "locked"): "this folder cannot be read: permission denied"}
