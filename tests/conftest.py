"""A tiny suite on which the whole path runs in seconds."""

from __future__ import annotations

import importlib
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from hypothesis import settings

settings.register_profile("tests", deadline=None)  # a busy machine is no bug
settings.load_profile("tests")

TINY = Path(__file__).parent / "bench" / "tiny.yaml"


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    """Bits and timings do not depend on the machine's cores; before any module's own fixture runs something."""
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


BASICSR = {
    "__init__.py": "from .archs import *\nfrom .data import *\n",
    "data.py": "from torchvision.transforms.functional_tensor import rgb_to_grayscale\n",
    "archs.py": """
from torch import nn
from torch.nn import functional as F

class Registry(dict):
    def __iter__(self):
        return iter(self.items())

class EDSR(nn.Module):
    def __init__(self, num_feat, num_block=1, upscale=4):
        super().__init__()
        self.body = nn.Sequential(*(nn.Conv2d(3 if i == 0 else num_feat, num_feat, 3, padding=1) for i in range(num_block)))
        self.last = nn.Conv2d(num_feat, 3, 3, padding=1)
        self.upscale = upscale

    def forward(self, x):
        return self.last(F.interpolate(self.body(x), scale_factor=self.upscale))

class Plain(nn.Conv2d):
    def __init__(self):
        super().__init__(3, 3, 3, padding=1)

ARCH_REGISTRY = Registry(EDSR=EDSR, Plain_basicsr=Plain)
""",
}


@pytest.fixture
def fake_basicsr(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package `basicsr` that breaks on current torchvision as version 1.4.2 does, with two small architectures."""
    package = tmp_path / "fake" / "basicsr"
    package.mkdir(parents=True)
    for name, text in BASICSR.items():
        (package / name).write_text(text)
    real = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "basicsr"}
    _forget(real)
    monkeypatch.syspath_prepend(str(package.parent))
    yield
    _forget([name for name in sys.modules if name.partition(".")[0] == "basicsr"])
    sys.modules.update(real)
    importlib.invalidate_caches()


def _forget(names: Iterable[str]) -> None:
    for name in names:
        del sys.modules[name]
