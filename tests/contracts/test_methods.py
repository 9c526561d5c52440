"""Every method keeps the contract of `methods.base`, whatever it does inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

import methods
from bench.row import Row, from_spec
from methods.base import Method, Prior, Stage, Task, names, roles
from ugpnet.nn.nafnet import NAFNet
from ugpnet.recipe import Budget

TASKS = [Task("deblur", 1, 32), Task("denoise", 1, 32), Task("sr", 8, 64), Task("prior", 1, 32)]
REQUIRED: dict[str, dict[str, Any]] = {"spandrel": {"path": "net.pth"}, "basicsr": {"arch": "Plain"}}
"""What has no default."""


@pytest.fixture(autouse=True)
def _from_outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fake_basicsr: None) -> None:
    """A released file and a package that two of the methods are about."""
    torch.save(NAFNet(3, 4, 1, (1,), (1,)).state_dict(), tmp_path / "net.pth")
    monkeypatch.chdir(tmp_path)


def build(name: str, task: Task) -> Method:
    """The method with default peers and default config (networks are not built)."""
    return default_row(name).build(task)


def default_row(name: str) -> Row:
    kind = methods.load(name)
    config = kind.Config.model_validate(REQUIRED.get(name, {}))
    return Row(name, name, config, peers={role: default_row(getattr(config, role)) for role in roles(kind.Config)})


@pytest.mark.parametrize("name", names())
def test_facts_are_complete(name: str) -> None:
    kind = methods.load(name)
    assert kind.shorthand is None or kind.shorthand in kind.Config.model_fields
    assert kind.version >= 1
    assert kind.facts.title
    if kind.facts.arxiv:
        assert kind.facts.bibtex.startswith("@")
        assert kind.facts.venue
        assert kind.facts.licence
        assert kind.facts.code.startswith("https://")


@pytest.mark.parametrize("name", names())
def test_configs_survive_json(name: str) -> None:
    row = default_row(name)
    assert from_spec(row.spec()).spec() == row.spec()
    assert from_spec(row.spec()).identity() == row.identity()


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_unsupported_is_none_or_a_reason(name: str, task: Task) -> None:
    reason = build(name, task).unsupported()
    assert reason is None or len(reason) > 10


@pytest.mark.parametrize("name", names())
def test_stages_need_what_exists(name: str) -> None:
    method = next((m for m in (build(name, task) for task in TASKS) if not m.unsupported()), None)
    assert method is not None, "a method that supports no task"
    before: set[str] = set(method.peers)
    for stage in method.stages():
        if isinstance(stage, Stage):
            backbones = {"vgg16", "vgg19", "lpips_vgg16", "arcface_resnet18"}
            assert set(stage.needs) <= before | backbones
            assert isinstance(stage.budget, Budget)
            assert stage.config.model_dump_json()
        before.add(stage.name)
    assert set(method.needs()) <= before


def test_priors_restore_nothing() -> None:
    prior = build("stylegan2", Task("prior", 1, 32))
    assert isinstance(prior, Prior)
    with pytest.raises(TypeError):
        prior.restorer({})


def test_a_lab_method_is_named_by_its_dotted_path(tmp_path, monkeypatch) -> None:
    (tmp_path / "mylab.py").write_text(
        "from methods.base import Facts\n"
        "from methods.regression import RegressionConfig, RegressionMethod\n"
        "from ugpnet.recipe import Budget\n"
        "from torch import nn\n"
        "class Config(RegressionConfig):\n    width: int = 4\n    budget: Budget = Budget(iterations=1)\n"
        "class Mine(RegressionMethod):\n    version = 1\n    Config = Config\n"
        "    facts = Facts(title='mine', family='regression')\n"
        "    def network(self):\n        return nn.Conv2d(3, 3, self.config.width + 1, padding='same')\n"
    )
    (tmp_path / "lab").mkdir()
    (tmp_path / "mylab.py").rename(tmp_path / "lab" / "mine.py")
    monkeypatch.syspath_prepend(str(tmp_path))
    kind = methods.load("lab.mine")
    method = kind(kind.Config(), Task("deblur", 1, 16), {})
    weights = {"network": {"network": method.network().state_dict()}}
    assert method.restorer(weights)(torch.rand(1, 3, 16, 16)).shape == (1, 3, 16, 16)


def test_an_unknown_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(LookupError, match="did you mean 'ugpnet'"):
        methods.load("ugpne")
