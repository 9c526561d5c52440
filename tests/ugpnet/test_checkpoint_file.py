"""Checkpoints that claim more than they hold: refused by name, before memory is gone."""

from __future__ import annotations

import pickle
import resource
import struct
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from ugpnet.checkpoint_file import read_checkpoint
from ugpnet.checkpoints import CheckpointUnreadable

GIGABYTE = 1 << 30


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    torch.save({"weight": torch.arange(10.0), "nested": {"list": [torch.ones(2)]}}, tmp_path / "plain.pth")
    return tmp_path / "plain.pth"


def rezipped(source: Path, change: Callable[[str, bytes], bytes], method: int) -> Path:
    target = source.with_name("hostile.pth")
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", method) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry)))
    return target


def test_an_ordinary_checkpoint_is_read(plain: Path) -> None:
    content = read_checkpoint(plain)
    assert torch.equal(content["weight"], torch.arange(10.0))


@pytest.mark.slow
def test_a_compressed_gigabyte_is_refused_unread(plain: Path) -> None:
    def swell(name: str, content: bytes) -> bytes:
        return bytes(GIGABYTE) if name.endswith("data/0") else content

    bomb = rezipped(plain, swell, zipfile.ZIP_DEFLATED)
    assert bomb.stat().st_size < 2_000_000
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(CheckpointUnreadable, match=r"hostile\.pth: refused: its entries claim \d{10} bytes"):
        read_checkpoint(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_a_zip_directory_that_lies_is_refused(plain: Path) -> None:
    """The size of every entry is in the directory at the end, which readers believe."""
    content = bytearray(plain.read_bytes())
    at = content.find(b"PK\x01\x02")
    while at >= 0:
        content[at + 24 : at + 28] = struct.pack("<I", GIGABYTE)
        at = content.find(b"PK\x01\x02", at + 1)
    plain.write_bytes(content)
    with pytest.raises(CheckpointUnreadable, match=r"plain\.pth: refused: its entries claim"):
        read_checkpoint(plain)


def test_a_tensor_larger_than_its_file_is_refused(tmp_path: Path) -> None:
    """One number, shown a million million times: it costs memory when it is copied."""
    for name, content in (
        ("alone", {"weight": torch.zeros(1).expand(10**6, 10**6)}),
        ("nested", {"params": {"list": [(torch.zeros(1).expand(10**6, 10**6),)]}}),
    ):
        torch.save(content, tmp_path / f"{name}.pth")
        with pytest.raises(CheckpointUnreadable, match=rf"{name}\.pth: refused: a tensor claims the shape"):
            read_checkpoint(tmp_path / f"{name}.pth")


def test_a_container_in_itself_is_read_once(tmp_path: Path) -> None:
    circle: dict[str, object] = {"weight": torch.ones(1)}
    circle["self"] = circle
    torch.save(circle, tmp_path / "circle.pth")
    assert set(read_checkpoint(tmp_path / "circle.pth")) == {"weight", "self"}


class Terabytes:
    def __reduce__(self) -> tuple[type, tuple[int]]:
        return bytearray, (1 << 50,)


def test_a_pickle_that_asks_for_memory_is_refused(plain: Path) -> None:
    """`bytearray` is among the few names that torch lets a pickle call."""

    def ask(name: str, content: bytes) -> bytes:
        return pickle.dumps({"weight": Terabytes()}, 2) if name.endswith("data.pkl") else content

    with pytest.raises(CheckpointUnreadable, match="refused"):
        read_checkpoint(rezipped(plain, ask, zipfile.ZIP_STORED))


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02c" + b"a" * 1_000_000 + b"\nb\n.",
        b"\x80\x02X" + struct.pack("<I", 1_000_000) + b"a" * 1_000_000 + b")R.",
    ],
    ids=["a name", "a text that is called"],
)
def test_a_word_of_a_megabyte_is_refused_at_once(plain: Path, program: bytes, old: bool) -> None:
    """torch alone would look at it for hours."""
    hostile = rezipped(
        plain, lambda name, content: program if name.endswith("data.pkl") else content, zipfile.ZIP_STORED
    )
    if old:
        torch.save({"weight": torch.ones(1)}, hostile, _use_new_zipfile_serialization=False)
        header = hostile.read_bytes().split(b"\x80\x02}")[0]  # magic number and version
        hostile.write_bytes(header + program)
    before = time.process_time()
    with pytest.raises(CheckpointUnreadable, match=r"hostile\.pth: refused: a word of 10\d{5} letters in its pickle"):
        read_checkpoint(hostile)
    assert time.process_time() - before < 5


def test_a_checkpoint_may_tell_a_long_story(tmp_path: Path) -> None:
    torch.save({"weight": torch.ones(1), "story": "once upon a time " * 10_000}, tmp_path / "a.pth")
    assert read_checkpoint(tmp_path / "a.pth")["weight"] == 1


def test_a_header_of_safetensors_that_lies_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").write_bytes(struct.pack("<Q", 1 << 60) + b"{}")
    with pytest.raises(CheckpointUnreadable, match=r"a\.safetensors: cannot be read"):
        read_checkpoint(tmp_path / "a.safetensors")
