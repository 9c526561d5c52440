"""`bench weights`: what it lists, what it leaves to the user, what it can and cannot vouch for."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench import weights
from bench.cli import app
from bench.registry import BACKBONES, RELEASED, WeightFile

BODY = b"body"
FETCHED = WeightFile("net", "https://example.org/net.pth", hashlib.sha256(BODY).hexdigest(), 100, "MIT", "tests")
UNSTATED = replace(FETCHED, name="plain", url="https://example.org/plain.pth", sha256="")
BY_HAND = replace(FETCHED, name="drive", url="https://example.org/drive", by_hand=True, saved_as="sub/drive.pth")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of weights, of a machine with nothing else and three known files."""
    own = tmp_path / "own"
    (own / "sub").mkdir(parents=True)
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(own))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(weights, "_cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setattr(weights, "BACKBONES", (FETCHED, UNSTATED, BY_HAND))
    monkeypatch.setattr(weights, "RELEASED", ())
    return own


def invoke(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["weights", *arguments])


def test_list_has_a_line_for_every_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    (tmp_path / "GFPGANv1.4.pth").touch()
    lines = invoke("list").output.splitlines()
    for entry in (*BACKBONES, *RELEASED):
        [line] = [line for line in lines if f" {entry.name} " in line]
        assert entry.licence in line
    [gfpgan] = [line for line in lines if " gfpgan-v1.4 " in line]
    assert gfpgan.split() == ["gfpgan", "gfpgan-v1.4", "GFPGANv1.4.pth", "349", "MB", "known", "Apache-2.0", "yes"]
    [ugpnet] = [line for line in lines if " ugpnet-sr-fusion " in line]
    assert ugpnet.split()[-6:] == ["unknown", "none", "none", "stated", "by", "hand"]
    assert lines.index(next(x for x in lines if "Backbones" in x)) < lines.index(
        next(x for x in lines if "Released" in x)
    )


def test_list_with_a_name_tells_everything() -> None:
    output = " ".join(invoke("list", "nafnet-gopro-width64", "ugpnet-deblur").output.split())
    for part in (
        "https://drive.google.com/file/d/1S0PVRbyTakYY9a82kujgZLbMihfNBLfC (in a browser)", "MIT", "arXiv 2204.04676",
        '"width": 64', "official for deblur", "ugpnet-deblur-synthesis", "publisher states none", "arXiv 2401.00370",
    ):  # fmt: skip
        assert part in output


def test_an_unknown_name_is_a_mistake() -> None:
    result = invoke("list", "nafnet-gopro-width65")
    assert result.exit_code == 2
    assert "did you mean 'nafnet-gopro-width64'?" in " ".join(result.output.split())


def test_fetch_gets_what_it_can_and_says_what_is_left(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(url: str, target: Path, **_: object) -> Path:
        assert url == FETCHED.url
        target.write_bytes(BODY)
        return target

    monkeypatch.setattr(weights, "download", download)
    result = invoke("fetch", "drive", "net")
    assert result.exit_code == 2
    assert (folder / "net.pth").read_bytes() == BODY
    said = " ".join(result.output.split())
    assert f"open {BY_HAND.url} in a browser and put sub/drive.pth into {folder}" in said
    (folder / BY_HAND.file).write_bytes(BODY)
    assert invoke("fetch", "drive", "net").exit_code == 0


def test_verify_vouches_only_for_what_is_stated(folder: Path) -> None:
    for entry in (FETCHED, UNSTATED, BY_HAND):
        (folder / entry.file).write_bytes(BODY)
    result = invoke("verify")
    assert result.exit_code == 0
    lines = {line.split()[1]: line for line in result.output.splitlines()}
    assert lines["net"].startswith("ok ")
    assert lines["plain"].startswith("present ")
    assert lines["plain"].endswith(f"publisher states no checksum; sha256 is {FETCHED.sha256}")
    (folder / BY_HAND.file).write_bytes(b"other")
    result = invoke("verify")
    assert result.exit_code == 1
    assert f"delete it and get it again from {BY_HAND.url}" in result.output
