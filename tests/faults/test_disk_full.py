"""A disk that is really full, at several moments of a run: a reason that says where, and the same bytes once there is room."""

from __future__ import annotations

import ctypes
import errno
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from inspection import Inspector, content
from typer.testing import CliRunner, Result

from bench.cli import app

KIB = 1024
Disk = Callable[[int], Path]


def mount(folder: Path, size: int, remount: bool = False) -> int:
    """0, or the error of mounting a file system in memory, or of giving it another size."""
    libc = ctypes.CDLL(None, use_errno=True)
    flags = 32 if remount else 0  # MS_REMOUNT
    options = f"size={size}".encode()
    return ctypes.get_errno() if libc.mount(b"tmpfs", bytes(folder), b"tmpfs", flags, options) else 0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Makes a disk of a size in bytes, and gives it another size when called again."""
    folder = tmp_path / "disk"
    folder.mkdir()

    def resize(size: int) -> Path:
        error = mount(folder, size, remount=os.path.ismount(folder))
        if error in (errno.EPERM, errno.EACCES, errno.ENODEV):
            pytest.skip(f"cannot mount a small disk here ({os.strerror(error).lower()}): needs root on Linux")
        assert not error, os.strerror(error)
        return folder

    yield resize
    if os.path.ismount(folder):
        assert ctypes.CDLL(None).umount2(bytes(folder), 2) == 0  # MNT_DETACH


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A row that trains and one that does not."""
    document: dict[str, Any] = yaml.safe_load(Path(__file__).with_name("suite.yaml").read_text())
    rows = {label: document["methods"][label] for label in ("input", "nafnet")}
    path = tmp_path_factory.mktemp("suite") / "two.yaml"
    path.write_text(yaml.safe_dump({**document, "methods": rows, "metrics": ["psnr"]}, sort_keys=False))
    return path


def run_suite(suite: Path, results: Path) -> Result:
    return CliRunner().invoke(app, ["run", str(suite), "--results", str(results)])


@pytest.fixture(scope="module")
def reference(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, bytes]:
    results = tmp_path_factory.mktemp("reference")
    assert run_suite(suite, results).exit_code == 0
    return content(results)


def test_a_disk_that_is_full_before_the_run_is_named_before_any_work(suite: Path, disk: Disk) -> None:
    results = disk(64 * KIB)
    with suppress(OSError), (results / "others").open("wb", buffering=0) as file:
        while file.write(bytes(KIB)):
            pass
    refused = run_suite(suite, results)
    assert refused.exit_code == 2
    assert re.search(rf"bench:{results}:.*thediskisfull:0bytesof65.5kBfree", "".join(refused.output.split()))
    assert "restore" not in refused.output


@pytest.mark.slow
@pytest.mark.parametrize("size", [64 * KIB, 128 * KIB, 192 * KIB, 384 * KIB])
def test_a_full_disk_is_named_and_room_gives_the_same_bytes(
    suite: Path, reference: Mapping[str, bytes], disk: Disk, size: int
) -> None:
    results = disk(size)
    inspector = Inspector(results)
    full = run_suite(suite, results)
    assert full.exit_code in (1, 2), full.output
    said = "".join(full.output.split())  # lines end anywhere
    assert "thediskisfull:" in said
    assert f"freein{results}" in said
    assert "Traceback" not in said
    assert inspector.inspect() == []
    disk(64 * KIB * KIB)
    assert run_suite(suite, results).exit_code == 0
    assert inspector.inspect() == []  # what was finished was not done again
    assert content(results) == reference
