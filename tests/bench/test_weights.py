"""The registry of weight files: search order, verification, safe loading."""

from __future__ import annotations

import hashlib
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from bench import weights
from bench.digest import known_digest
from bench.download import Progress
from bench.errors import BenchError, Unavailable, WeightsError
from bench.registry import WeightFile


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """Four empty folders in the order of search, and a registry with one small file, `net.pth`."""
    torch_home = tmp_path / "torch"
    found = {
        "own": tmp_path / "own",
        "cache": tmp_path / "cache",
        "torch": torch_home / "hub" / "checkpoints",
        "pyiqa": torch_home / "hub" / "pyiqa",
    }
    for folder in found.values():
        folder.mkdir(parents=True)
    monkeypatch.setattr(weights, "_cache_folder", lambda: found["cache"])
    monkeypatch.setenv("TORCH_HOME", str(torch_home))
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(found["own"]))
    return found


def register(monkeypatch: pytest.MonkeyPatch, sha256: str) -> WeightFile:
    entry = WeightFile("net", "https://example.org/net.pth", sha256, 1 << 20, "MIT", "tests")
    monkeypatch.setattr(weights, "BACKBONES", (entry,))
    return entry


def register_by_hand(monkeypatch: pytest.MonkeyPatch) -> tuple[WeightFile, ...]:
    """Two files behind one page and one behind another."""
    entries = tuple(
        WeightFile(name, f"https://example.org/{page}", "", 0, "MIT", "tests", by_hand=True, saved_as=f"{name}.pth")
        for name, page in (("one", "a"), ("two", "a"), ("three", "b"))
    )
    monkeypatch.setattr(weights, "BACKBONES", entries)
    return entries


def sha256_of_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def test_unknown_names_name_the_nearest() -> None:
    with pytest.raises(BenchError, match="'vg16': unknown name; did you mean 'vgg16'"):
        weights.find("vg16")


def test_folders_are_searched_in_order(machine: dict[str, Path]) -> None:
    file = weights.find("vgg16").file
    for name in ("pyiqa", "torch", "cache", "own"):
        (machine[name] / file).write_text(name)
        assert weights.locate("vgg16").read_text() == name


def test_without_an_own_folder_the_cache_comes_first(machine: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(weights.FOLDER_VARIABLE)
    assert weights.folders() == (machine["cache"], machine["torch"], machine["pyiqa"])
    assert weights.target_folder() == machine["cache"]


def test_a_missing_file_tells_url_and_place(machine: dict[str, Path]) -> None:
    with pytest.raises(Unavailable) as error:
        weights.locate("alexnet")
    for part in ("alexnet-owt-7be5be79.pth", "https://download.pytorch.org", "bench weights fetch alexnet"):
        assert part in str(error.value)
    assert str(machine["own"]) in str(error.value)


def test_missing_lists_only_what_lacks(machine: dict[str, Path]) -> None:
    (machine["own"] / weights.find("vgg16").file).touch()
    reason = weights.missing(["vgg16", "dists"])
    assert reason is not None
    assert reason.startswith("run `bench weights fetch dists`")
    assert weights.missing(["vgg16"]) is None


def test_files_to_be_had_by_hand_are_named_by_page(machine: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    register_by_hand(monkeypatch)
    assert weights.missing(["one", "two", "three"]) == (
        "open https://example.org/a in a browser and put one.pth, two.pth; open https://example.org/b in a browser and put "
        f"three.pth into {machine['own']} or a folder named by {weights.FOLDER_VARIABLE}"
    )


def test_what_only_a_browser_gets_is_not_fetched_but_found(
    machine: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    register_by_hand(monkeypatch)
    monkeypatch.setattr(weights, "download", lambda *_, **__: pytest.fail("asked a server"))
    with pytest.raises(Unavailable, match=r"one\.pth is not on this machine: open https://example\.org/a in a browser"):
        weights.fetch("one")
    (machine["torch"] / "one.pth").write_text("body")
    assert weights.fetch("one") == machine["torch"] / "one.pth"


def test_a_release_is_found_whole() -> None:
    assert [entry.name for entry in weights.find_all("ugpnet-deblur")] == [
        "ugpnet-deblur-restoration", "ugpnet-deblur-synthesis", "ugpnet-deblur-fusion",
    ]  # fmt: skip
    assert weights.find_all("gfpgan-v1.4") == (weights.find("gfpgan-v1.4"),)


def test_verify_accepts_prefixes_and_refuses_another_file(
    machine: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = machine["own"] / "net.pth"
    path.write_text("right")
    for length in (0, 8, 64):
        register(monkeypatch, sha256_of_text("right")[:length])
        assert weights.verify("net") == path
    path.write_text("wrong")
    with pytest.raises(WeightsError, match=rf"{path}: sha256 .* delete it and run `bench weights fetch net`"):
        weights.verify("net")


def test_digest_follows_the_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("one")
    assert known_digest(path) == sha256_of_text("one")
    path.write_text("two")
    os.utime(path, ns=(1, 1))
    assert known_digest(path) == sha256_of_text("two")


def test_load_returns_tensors(machine: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = machine["torch"] / "net.pth"
    torch.save({"weight": torch.arange(3)}, path)
    register(monkeypatch, known_digest(path)[:8])
    assert torch.equal(weights.load("net")["weight"], torch.arange(3))


def test_load_refuses_code(machine: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    path = machine["own"] / "net.pth"
    path.write_bytes(pickle.dumps({"weight": os.getcwd}))
    register(monkeypatch, "")
    with pytest.raises(WeightsError, match="holds more than tensors"):
        weights.load("net")


def test_fetch_downloads_once_into_the_users_folder(machine: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    entry = register(monkeypatch, sha256_of_text("body"))
    calls: list[str] = []

    def fake(url: str, target: Path, *, sha256: str, limit: int, progress: Progress) -> Path:
        assert (sha256, limit) == (entry.sha256, entry.size)
        calls.append(url)
        target.write_text("body")
        progress(4, 4)
        return target

    monkeypatch.setattr(weights, "download", fake)
    seen: list[int] = []
    assert weights.fetch("net", lambda done, total: seen.append(done)) == machine["own"] / "net.pth"
    assert weights.fetch("net") == machine["own"] / "net.pth"
    assert calls == [entry.url]
    assert seen == [4]


def test_the_registry_imports_no_torch() -> None:
    code = "import sys, bench.weights; bench.weights.missing(['vgg16']); print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "False"
