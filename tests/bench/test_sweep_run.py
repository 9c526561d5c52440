"""Sweeps of the tiny suite from the command: what trains, what is left behind, and how it goes on."""

from __future__ import annotations

import csv
import json
import os
import re
from collections import Counter
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any, TypeAlias

import optuna
import pytest
import yaml
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.errors import TrainingDiverged
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.plan import make_plan
from bench.run import run_plan
from bench.store import Store
from bench.suite import load_suite
from bench.sweep.storage import JOURNAL
from bench.sweep.study import IDENTITY
from bench.train.execution import Execution

pytestmark = pytest.mark.slow

Write: TypeAlias = Callable[[object], Path]

PER, CF = "ugpnet.fusion.lambda_per", "ugpnet.fusion.lambda_cf"
SPACE = {PER: {"low": 1, "high": 300, "log": True}, CF: {"low": 0.0, "high": 1.0}}


@pytest.fixture
def swept(tiny_document: dict[str, Any], request: pytest.FixtureRequest) -> dict[str, Any]:
    """The tiny suite with a sweep over the last stage, under the test's own name."""
    sweep = {"row": "ugpnet", "space": dict(SPACE), "objectives": {"psnr": "max", "swd": "min"}, "trials": 4}
    return {**tiny_document, "name": re.sub(r"\W", "_", request.node.name), "sweep": sweep}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of all tests that do not count what trains."""
    return tmp_path_factory.mktemp("results")


def sweep(path: Path, results: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["sweep", str(path), "--results", str(results), *arguments])


def folder_of(results: Path, suite: dict[str, Any]) -> Path:
    [folder] = (results / str(suite["name"])).glob("sweep-*")
    return folder


def trials_of(folder: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((folder / "trials.csv").open()))


def study_of(folder: Path) -> optuna.Study:
    """As any tool of Optuna's opens it."""
    storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL)))
    [summary] = optuna.get_all_study_summaries(storage)
    return optuna.load_study(study_name=summary.study_name, storage=storage)


def trainings(results: Path) -> Counter[str]:
    """How often the store was given each training."""
    records = (json.loads(path.read_text()) for path in (results / ".store").glob("*/job.json"))
    return Counter(record["label"] for record in records if record["kind"] == "train")


@pytest.mark.slow
def test_a_sweep_trains_what_it_varies_and_leaves_its_files(
    write_suite: Write, swept: dict[str, Any], tmp_path: Path
) -> None:
    results = tmp_path / "results"
    swept["sweep"]["trials"] = 10
    made = sweep(write_suite(swept), results)
    assert made.exit_code == 0, made.output
    assert trainings(results) == {
        "nafnet network": 1, "ugpnet restoration": 1, "stylegan2 prior": 1, "ugpnet synthesis": 1, "ugpnet fusion": 10,
    }  # fmt: skip
    folder = folder_of(results, swept)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    figures = {
        f"figures/{name}.{kind}"
        for name in ("pareto", "history", "importance", "slice", "contour")
        for kind in ("png", "pdf")
    }
    assert figures | {"trials.csv", "best.md", "best.csv", "best_1.yaml", JOURNAL} <= files
    rows = trials_of(folder)
    assert [row["number"] for row in rows] == [str(i) for i in range(10)]
    assert {row["state"] for row in rows} == {"complete"}
    store = Store(results)
    for row in rows:
        assert store.record(row["trainings"])["label"] == "ugpnet fusion"
        assert (store.path(row["scores"]) / "rows.parquet").is_file()
    assert "10 of 10 trials complete" in made.output
    assert sorted(made.output.count(f"ok trial {i}:") for i in range(10)) == [1] * 10


@pytest.mark.slow
def test_a_best_suite_is_the_trial(swept: dict[str, Any], shared: Path, tmp_path: Path) -> None:
    """Its run finds everything done, and its table has the trial's numbers; files of the suite are found from there."""
    suites = tmp_path / "suites"
    (suites / "pairs").mkdir(parents=True)
    (suites / "published.csv").write_text("# source: somewhere\nmethod,psnr\nugpnet,30\n")
    swept |= {"reference": "published.csv"}
    swept["data"]["root"] = "pairs"
    path = suites / "s.yaml"
    path.write_text(yaml.safe_dump(swept))
    assert sweep(path, shared).exit_code == 0
    folder = folder_of(shared, swept)
    best = list(csv.DictReader((folder / "best.csv").open()))
    assert len(best) == len(list(folder.glob("best_*.yaml")))
    for n, row in enumerate(best, start=1):
        suite = load_suite(folder / f"best_{n}.yaml")
        assert suite.file.sweep is None
        assert suite.data_root.resolve() == suites / "pairs"
        plan = make_plan(suite)
        keys = {job.label: job.key for job in plan.jobs}
        assert keys["ugpnet fusion"] == row["trainings"]
        assert keys["ugpnet score"] == row["scores"]
    run = run_plan(plan, Store(shared).open(), Execution(), LocalExecutor(), Unwatched())
    assert {"nafnet restore", "gfpgan restoration", "ugpnet measure"} <= {
        job.label for job in plan.jobs if job.key in run.outcome.done
    }
    assert not [
        job for job in plan.jobs if job.key in run.outcome.done and job.label.startswith(("ugpnet fusion", "ugpnet s"))
    ]
    psnr = run.report.rows.query("method == 'ugpnet' and metric == 'psnr'").value.mean()
    assert psnr == pytest.approx(float(best[-1]["psnr"]))


def test_objectives_are_means_over_the_suite_s_seeds(write_suite: Write, swept: dict[str, Any], shared: Path) -> None:
    import pandas as pd

    swept["sweep"]["trials"] = 1
    assert sweep(write_suite(swept), shared, "--set", "seeds=[1, 2]").exit_code == 0
    [row] = trials_of(folder_of(shared, swept))
    scores = [pd.read_parquet(Store(shared).path(key) / "rows.parquet") for key in row["scores"].split()]
    assert len(scores) == len(row["trainings"].split()) == 2
    means = [frame[frame.metric == "psnr"].value.mean() for frame in scores]
    assert means[0] != means[1]
    assert float(row["psnr"]) == pytest.approx(sum(means) / 2)


@pytest.mark.slow
def test_it_goes_on_where_it_was_and_ends_as_if_unbroken(
    write_suite: Write, swept: dict[str, Any], shared: Path
) -> None:
    path, whole = write_suite(swept), {**swept, "name": "unbroken"}
    assert sweep(path, shared, "--set", "sweep.trials=2").exit_code == 0
    first = trials_of(folder_of(shared, swept))
    again = sweep(path, shared)
    assert again.exit_code == 0
    assert "trial 0:" not in again.output
    assert "ok trial 3:" in again.output
    kept = trials_of(folder_of(shared, swept))
    assert kept[:2] == first
    finished = sweep(path, shared)
    assert "ok trial" not in finished.output
    assert trials_of(folder_of(shared, swept)) == kept
    assert sweep(write_suite(whole), shared).exit_code == 0
    untimed = [[{**row, "seconds": ""} for row in rows] for rows in (kept, trials_of(folder_of(shared, whole)))]
    assert untimed[0] == untimed[1]


def test_equal_suggestions_cost_nothing(write_suite: Write, swept: dict[str, Any], tmp_path: Path) -> None:
    swept["sweep"] |= {"space": {PER: {"choices": [1, 2]}}, "sampler": "random", "trials": 6}
    assert sweep(write_suite(swept), tmp_path / "results").exit_code == 0
    rows = trials_of(folder_of(tmp_path / "results", swept))
    assert len(rows) == 6
    assert len({row["trainings"] for row in rows}) == 2
    assert trainings(tmp_path / "results")["ugpnet fusion"] == 2


def test_a_grid_is_walked_once(write_suite: Write, swept: dict[str, Any], shared: Path) -> None:
    space = {PER: {"low": 1, "high": 3, "step": 2}, "ugpnet.fuse": {"choices": ["features", "images"]}}
    swept["sweep"] |= {"space": space, "sampler": "grid", "trials": 99}
    made = sweep(write_suite(swept), shared)
    assert made.exit_code == 0, made.output
    points = [(row[PER], row["ugpnet.fuse"]) for row in trials_of(folder_of(shared, swept))]
    assert sorted(points) == [("1", "features"), ("1", "images"), ("3", "features"), ("3", "images")]


@pytest.mark.parametrize("sampler", ["tpe", "nsgaii", "gp", "random", "cmaes"])
def test_every_sampler_serves(write_suite: Write, swept: dict[str, Any], shared: Path, sampler: str) -> None:
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
        swept["sweep"]["objectives"] = {"swd": "min"}
    swept["sweep"] |= {"sampler": sampler, "trials": 12}
    made = sweep(write_suite(swept), shared)
    assert made.exit_code == 0, made.output
    drawn = {(row[PER], row[CF]) for row in trials_of(folder_of(shared, swept))}
    assert len(drawn) == 12 if sampler != "nsgaii" else len(drawn) > 4  # a genetic sampler may repeat a parent


def test_trials_that_fall_behind_are_pruned(
    write_suite: Write, swept: dict[str, Any], shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every validation is worse than all before it: after five trials, which the median is of, none goes on."""
    falling = count(start=40.0, step=-0.1)
    monkeypatch.setattr("bench.train.stage.mean_psnr", lambda pairs, recipe, team: next(falling))
    swept["data"]["val"] = dict(swept["data"]["test"])
    swept["methods"]["ugpnet"]["fusion"]["budget"] = {"iterations": 5, "batch_size": 2, "validate_every": 2}
    swept["sweep"] |= {"objectives": {"psnr": "max"}, "pruner": "median", "trials": 7}
    made = sweep(write_suite(swept), shared)
    assert made.exit_code == 0, made.output
    folder = folder_of(shared, swept)
    rows = trials_of(folder)
    assert [row["state"] for row in rows] == ["complete"] * 5 + ["pruned"] * 2
    for row in rows[5:]:
        assert row["note"].startswith("ugpnet fusion: pruned at ")
        assert row["note"].endswith(" dB after 2 steps")
        assert not row["psnr"]
        assert not Store(shared).has(row["trainings"])
    assert "5 of 7 trials complete, 2 pruned" in (folder / "best.md").read_text()
    steps = [sorted(trial.intermediate_values) for trial in study_of(folder).trials]
    assert steps == [[2, 4, 5]] * 5 + [[2]] * 2


def test_dashboards_find_a_study_that_speaks_for_itself(
    write_suite: Write, swept: dict[str, Any], shared: Path
) -> None:
    swept["sweep"]["trials"] = 1
    assert sweep(write_suite(swept), shared).exit_code == 0
    folder = folder_of(shared, swept)
    study = study_of(folder)
    assert study.study_name == f"{swept['name']}-{folder.name}"
    assert study.metric_names == ["psnr", "swd"]
    assert study.user_attrs[IDENTITY]["row"] == "ugpnet"
    assert set(study.trials[0].params) == {PER, CF}


def test_a_dry_run_says_what_it_would_cost(write_suite: Write, swept: dict[str, Any], tmp_path: Path) -> None:
    made = sweep(write_suite(swept), tmp_path / "results", "--dry-run")
    assert made.exit_code == 0, made.output
    assert "1 to 300, logarithmic" in made.output
    assert "a trial trains ugpnet fusion" in made.output
    assert "4 trials, sampler tpe" in made.output
    assert not (tmp_path / "results").exists()


def test_a_mistake_is_one_message(write_suite: Write, swept: dict[str, Any], shared: Path) -> None:
    swept["sweep"]["space"] = {"ugpnet.fusion.lambda_pr": {"low": 1, "high": 2}}
    made = sweep(write_suite(swept), shared)
    assert made.exit_code == 2
    assert "sweep.space.ugpnet.fusion.lambda_pr" in made.output


@pytest.mark.slow
def test_a_failed_trial_leaves_the_others(
    write_suite: Write, swept: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ugpnet.losses.patch_contextual import PatchContextualLoss

    calls: list[int] = []
    forward = PatchContextualLoss.forward

    def diverges_once(self: Any, *images: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            raise TrainingDiverged("step 0: nan")
        return forward(self, *images)

    monkeypatch.setattr(PatchContextualLoss, "forward", diverges_once)
    made = sweep(write_suite(swept), tmp_path / "results")
    assert made.exit_code == 0, made.output
    rows = trials_of(folder_of(tmp_path / "results", swept))
    assert [row["state"] for row in rows] == ["complete", "failed", "complete", "complete"]
    assert rows[1]["note"] == "step 0: nan"
    assert sweep(write_suite(swept), tmp_path / "results").exit_code == 0  # it counts: it would diverge again
    assert trials_of(folder_of(tmp_path / "results", swept)) == rows


def test_all_failing_is_a_failure_with_the_reason(
    write_suite: Write, swept: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ugpnet.losses.patch_contextual import PatchContextualLoss

    monkeypatch.setattr(PatchContextualLoss, "forward", lambda *_: 1 / 0)
    made = sweep(write_suite(swept), tmp_path / "results")
    assert made.exit_code == 1
    assert "no trial has values: 0 of 4 trials complete, 4 failed" in made.output
    assert made.output.count("ZeroDivisionError") >= 1
    assert trainings(tmp_path / "results")["ugpnet synthesis"] == 1  # what was finished stays
    assert len(trials_of(folder_of(tmp_path / "results", swept))) == 4


def test_time_is_up_after_the_trial_at_hand(write_suite: Write, swept: dict[str, Any], shared: Path) -> None:
    made = sweep(write_suite(swept), shared, "--set", "sweep.timeout=0.001")
    assert made.exit_code == 0, made.output
    assert "the time is over; the same command goes on with the 3 trials that are left" in made.output
    assert len(trials_of(folder_of(shared, swept))) == 1


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("study.db", "a database's URL is wanted"),
        ("postgresql+nodriver://me:secret@localhost/x", "nodriver"),
        ("sqlite:////nowhere/at/all/study.db", "unable to open database file"),
    ],
)
def test_a_storage_that_cannot_be_reached_is_named(
    write_suite: Write, swept: dict[str, Any], shared: Path, url: str, problem: str
) -> None:
    made = sweep(write_suite(swept), shared, "--storage", url)
    assert made.exit_code == 2
    assert "--storage" in made.output
    assert problem in made.output
    assert "secret" not in made.output
    assert "Traceback" not in made.output


def test_a_damaged_journal_is_named(write_suite: Write, swept: dict[str, Any], shared: Path) -> None:
    path = write_suite(swept)
    assert sweep(path, shared, "--set", "sweep.trials=1").exit_code == 0
    journal = folder_of(shared, swept) / JOURNAL
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines[:2], b"{nonsense\n", *lines[2:]]))
    made = sweep(path, shared)
    assert made.exit_code == 2
    assert "study.journal: cannot be read as a study" in made.output


def test_half_a_record_of_a_dead_writer_is_cut_off(write_suite: Write, swept: dict[str, Any], shared: Path) -> None:
    path = write_suite(swept)
    assert sweep(path, shared, "--set", "sweep.trials=1").exit_code == 0
    journal = folder_of(shared, swept) / JOURNAL
    os.truncate(journal, journal.stat().st_size - 9)
    made = sweep(path, shared)
    assert made.exit_code == 0, made.output
    states = [row["state"] for row in trials_of(folder_of(shared, swept))]
    assert states == ["complete"] * 4


def test_a_storage_may_hold_other_studies_but_not_another_of_this_name(
    write_suite: Write, swept: dict[str, Any], shared: Path, tmp_path: Path
) -> None:
    path, url = write_suite(swept), f"sqlite:///{tmp_path}/study.db"
    assert sweep(path, shared, "--storage", url, "--set", "sweep.trials=2").exit_code == 0
    name = f"{swept['name']}-{folder_of(shared, swept).name}"
    assert sweep(path, shared, "--storage", url, "--set", "sweep.objectives={swd: min}").exit_code == 0
    assert len(optuna.get_all_study_summaries(url)) == 2
    optuna.delete_study(study_name=name, storage=url)
    optuna.create_study(study_name=name, storage=url, directions=["minimize"])
    made = sweep(path, shared, "--storage", url)
    assert made.exit_code == 2
    assert f"the study {name!r} of the storage is not of this space and these objectives" in made.output
