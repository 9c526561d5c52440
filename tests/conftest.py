"""A tiny suite on which the whole path runs in seconds."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

TINY = Path(__file__).parent / "bench" / "tiny.yaml"


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    """Bits and timings do not depend on the machine's cores."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _interruptible() -> Iterator[None]:
    """A shell starts background jobs with Ctrl-C ignored, and children inherit that: tests must not depend on it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def write_suite(tmp_path: Path) -> Callable[[object], Path]:
    """Writes a document as a suite file."""

    def write(document: object) -> Path:
        path = tmp_path / "s.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    return write


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """The file of the tiny suite."""
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY.read_text())
    return path


@pytest.fixture
def tiny_document() -> dict[str, Any]:
    """The tiny suite, to be changed freely."""
    document: dict[str, Any] = yaml.safe_load(TINY.read_text())
    return document
