"""TensorBoard and a stand-in for Weights & Biases are told the loss log, neither more nor less, through kills and failures."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.errors import BenchError
from bench.job import Job
from bench.plan import make_plan
from bench.run import run_name
from bench.suite import load_suite
from bench.train import checkpoint
from bench.train.execution import Execution
from bench.train.log import Row
from bench.train.loggers import TensorBoard, WeightsAndBiases, folder_name
from bench.train.loop import fit
from bench.train.tracking import Tracker, Trackers
from ugpnet.recipe import Batch, Budget
from ugpnet.regression import RegressionRecipe
from ugpnet.settings import RegressionTraining

Write: TypeAlias = Callable[[object], Path]
Scalars: TypeAlias = dict[str, list[tuple[int, float]]]

BUDGET = Budget(iterations=24, batch_size=2, validate_every=5)
JOB = Job("train", "nafnet network", {"stage": "network"}, {})


class Noise:
    def batch(self, step: int) -> Batch:
        generator = torch.Generator().manual_seed(step)
        lq = torch.rand(2, 3, 6, 6, generator=generator)
        return Batch(lq, 1 - lq, generator)


def train(folder: Path, trackers: Trackers | None = None, on_step: Any = None, every: int = 6) -> Sequence[Row]:
    """The rows of the log. Windows of 4 steps, validation every 5, checkpoints every 6."""
    torch.manual_seed(0)
    recipe = RegressionRecipe(nn.Conv2d(3, 3, 3, padding=1), RegressionTraining(loss="l1"))
    execution = Execution(device="cpu", log_every=4, checkpoint_every=every, checkpoint_seconds=None)
    trackers = trackers or Trackers()
    try:
        return fit(
            recipe, Noise(), BUDGET, folder, seed=3, execution=execution, on_step=on_step, trackers=trackers,
            validate=lambda recipe: float(recipe.restore(Noise().batch(99).lq).mean()),
        ).log  # fmt: skip
    finally:
        trackers.close()


def by_name(rows: Sequence[Row]) -> Scalars:
    names = {row.name for row in rows}
    return {name: [(row.step, float(np.float32(row.value))) for row in rows if row.name == name] for name in names}


def events(folder: Path) -> Scalars:
    """What TensorBoard shows."""
    shown = EventAccumulator(str(folder)).Reload()
    return {name: [(event.step, event.value) for event in shown.Scalars(name)] for name in shown.Tags()["scalars"]}


def board(folder: Path) -> Trackers:
    return Trackers({"tensorboard": TensorBoard(folder)})


class Stop(Exception):
    pass


def stopping_at(step: int) -> Callable[[Any], None]:
    def stop(now: Any) -> None:
        if now.step == step:
            raise Stop

    return stop


def test_tensorboard_shows_the_log(tmp_path: Path) -> None:
    log = train(tmp_path / "run", board(tmp_path / "events"))
    assert {row.name for row in log} == {"network/l1", "validation/psnr"}
    assert events(tmp_path / "events") == by_name(log)


def test_tensorboard_after_stops_shows_every_step_once(tmp_path: Path) -> None:
    for step in (3, 11, 17):
        with pytest.raises(Stop):
            train(tmp_path / "run", board(tmp_path / "events"), stopping_at(step))
    log = train(tmp_path / "run", board(tmp_path / "events"))
    assert len(list((tmp_path / "events").iterdir())) == 4
    assert events(tmp_path / "events") == by_name(log) == by_name(train(tmp_path / "unbroken"))


def train_until_killed(folder: Path) -> None:
    train(folder / "run", board(folder / "events"), lambda now: time.sleep(600 if now.step == 14 else 0))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_tensorboard_after_a_kill_shows_every_step_once(tmp_path: Path) -> None:
    child = multiprocessing.get_context("fork").Process(target=train_until_killed, args=(tmp_path,))
    child.start()
    while not list((tmp_path / "run").glob("checkpoint-000000012.json")):
        assert child.is_alive()
        time.sleep(0.01)
    time.sleep(1)  # the next steps are told, too, but are in no checkpoint; and event files are ordered by their second
    child.kill()
    child.join()
    found = checkpoint.load(tmp_path / "run")
    assert found is not None
    assert found.step == 12
    assert events(tmp_path / "events")
    log = train(tmp_path / "run", board(tmp_path / "events"))
    assert events(tmp_path / "events") == by_name(log)


def test_a_logger_that_comes_late_is_told_all(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        train(tmp_path / "run", None, stopping_at(14))
    log = train(tmp_path / "run", board(tmp_path / "events"))
    assert events(tmp_path / "events") == by_name(log)


def test_events_of_a_run_that_starts_again_are_purged(tmp_path: Path) -> None:
    with pytest.raises(Stop):
        train(tmp_path / "run", board(tmp_path / "events"), stopping_at(14))
    log = train(tmp_path / "another", board(tmp_path / "events"))
    assert events(tmp_path / "events") == by_name(log)


class FakeWandb(ModuleType):
    """Records what it is told; like the real one, a run keeps its last step under its id."""

    def __init__(self) -> None:
        super().__init__("wandb")
        self.inits: list[dict[str, Any]] = []
        self.history: dict[str, list[tuple[int, dict[str, float]]]] = {}
        self.finished = 0

    def login(self) -> bool:
        return False

    def init(self, **options: Any) -> FakeRun:
        self.inits.append(options)
        history = self.history.get(options["id"])
        return FakeRun(self, self.history.setdefault(options["id"], []), history is not None)


class FakeRun:
    def __init__(self, module: FakeWandb, history: list[tuple[int, dict[str, float]]], resumed: bool) -> None:
        self.module = module
        self.history = history
        self.resumed = resumed
        self.step = history[-1][0] + 1 if history else 0

    def log(self, values: dict[str, float], step: int) -> None:
        assert not self.history or step > self.history[-1][0]
        self.history.append((step, values))

    def finish(self) -> None:
        self.module.finished += 1


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> FakeWandb:
    module = FakeWandb()
    monkeypatch.setitem(sys.modules, "wandb", module)
    return module


def test_wandb_resumes_the_run_of_the_job(tmp_path: Path, wandb: FakeWandb) -> None:
    def trackers() -> Trackers:
        return Trackers({"wandb": WeightsAndBiases("deblur", JOB, tmp_path)})

    with pytest.raises(Stop):
        train(tmp_path / "run", trackers(), stopping_at(11))
    log = train(tmp_path / "run", trackers())
    assert {(init["project"], init["id"], init["name"], init["resume"]) for init in wandb.inits} == {
        ("deblur", JOB.key, "nafnet network", "allow")
    }
    logged = [Row(step, name, value) for step, values in wandb.history[JOB.key] for name, value in values.items()]
    assert by_name(logged) == by_name(log)
    steps = [step for step, _ in wandb.history[JOB.key]]
    assert steps == [4, 5, 8, 10, 12, 15, 16, 20, 24]


class Failing:
    """Works until `at` rows were logged, then raises as a full disk does."""

    def __init__(self, at: int) -> None:
        self.at = at
        self.logged = 0
        self.calls = 0

    def resume(self, step: int) -> bool:
        if self.at < 0:
            raise ConnectionError("no network")
        return False

    def log(self, rows: Sequence[Row]) -> None:
        self.calls += 1
        self.logged += len(rows)
        if self.logged > self.at:
            raise OSError(28, "No space left on device")

    def close(self) -> None:
        raise AssertionError("left out")


@pytest.mark.parametrize(("at", "message"), [(3, "No space left on device"), (-1, "no network")])
def test_a_failing_logger_is_warned_of_once_and_left_out(tmp_path: Path, at: int, message: str) -> None:
    failing: Tracker = Failing(at)
    trackers = Trackers({"failing": failing, "tensorboard": TensorBoard(tmp_path / "events")})
    with pytest.warns(RuntimeWarning, match=rf"failing: .*{message}; the training goes on without it") as warned:
        log = train(tmp_path / "run", trackers)
    assert len([entry for entry in warned if "goes on without" in str(entry.message)]) == 1
    assert log == train(tmp_path / "silent")
    assert events(tmp_path / "events") == by_name(log)


def test_a_folder_that_cannot_be_made_does_not_stop_the_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(RuntimeWarning, match="tensorboard: .*file"):
        assert train(tmp_path / "run", board(tmp_path / "file" / "events")) == train(tmp_path / "silent")


def test_folder_names_are_plain() -> None:
    job = Job("train", "../w/o R_se, R_mg: x fusion", {}, {})
    assert folder_name(job) == f".._w_o_R_se_R_mg_x_fusion-{job.key[:8]}"


@pytest.fixture
def small(tiny_document: dict[str, Any], write_suite: Write) -> Path:
    """One training, of two steps."""
    methods = {"nafnet": tiny_document["methods"]["nafnet"]}
    return write_suite({**tiny_document, "metrics": ["psnr"], "measure": None, "methods": methods, "components": {}})


def bench(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.slow
def test_a_run_logs_each_training(small: Path, tmp_path: Path, wandb: FakeWandb) -> None:
    results = tmp_path / "results"
    made = bench("run", str(small), "--results", str(results), "--set", "loggers=[tensorboard, wandb]")
    assert made.exit_code == 0, made.output
    (folder,) = (results / "tensorboard" / "tiny").iterdir()
    (log,) = (results / ".store").glob("*/log.parquet")
    rows = [Row(*row) for row in pd.read_parquet(log).itertuples(index=False)]
    key = json.loads((log.parent / "job.json").read_text())["key"]
    assert folder.name == f"nafnet_network-{key[:8]}"
    assert events(folder) == by_name(rows)
    assert list(wandb.history) == [key]
    again = bench("run", str(small), "--results", str(results))
    assert "0 jobs done" in again.output
    assert len(list(results.glob("tiny/*"))) == 1


def test_loggers_change_neither_keys_nor_the_run(small: Path) -> None:
    plans = [make_plan(load_suite(small, assignments=given)) for given in ([], ["loggers=[tensorboard]"])]
    assert [job.key for job in plans[0].jobs] == [job.key for job in plans[1].jobs]
    assert run_name(plans[0]) == run_name(plans[1])
    assert plans[1].suite.file.loggers == ("tensorboard",)


@pytest.mark.parametrize(
    ("logger", "module"),
    [("tensorboard", "tensorboard"), ("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")],
)
@pytest.mark.parametrize("command", ["run", "plan"])
def test_a_missing_package_is_named_before_any_work(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, logger: str, module: str
) -> None:
    monkeypatch.delitem(sys.modules, "torch.utils.tensorboard", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    made = bench(command, str(small), "--results", str(tmp_path / "results"), "--set", f"loggers=[{logger}]")
    assert made.exit_code == 2
    assert f'pip install "ugpnet-bench[{logger}]"' in made.output.replace("\n", "")
    assert not list((tmp_path / "results").glob(".store/*/job.json"))


def test_who_is_not_logged_in_is_told_before_any_work(small: Path, tmp_path: Path, wandb: FakeWandb) -> None:
    def refuse() -> bool:
        raise BenchError("No API key configured")

    wandb.login = refuse  # type: ignore[method-assign]
    made = bench("run", str(small), "--results", str(tmp_path / "results"), "--set", "loggers=[wandb]")
    assert made.exit_code == 2
    assert "loggers: wandb: No API key configured (or set WANDB_MODE=offline)" in made.output
    assert not list((tmp_path / "results").glob(".store/*/job.json"))


def test_an_unknown_logger_is_named(small: Path) -> None:
    with pytest.raises(BenchError, match=r"loggers.0: input should be 'tensorboard' or 'wandb'"):
        load_suite(small, assignments=["loggers=[tensorbord]"])
