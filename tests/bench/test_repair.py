"""A flipped byte in what a job left is found when it is used, and the job is done again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from bench.errors import StoreError
from bench.execute import run_job
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.job import Job
from bench.plan import Plan, make_plan
from bench.repair import discard_damaged
from bench.report.saved import load_report
from bench.run import run_plan
from bench.store import RECORD, Store
from bench.storekeeping.runs import UNFINISHED
from bench.suite import load_suite
from bench.train.execution import Execution

MORE_IMAGES = "data.test.count=4"
OTHER_METRICS = "metrics=[psnr, ssim]"
OTHER_TRAINING = "gfpgan.budget.iterations=3"


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A row that trains alone and one upon a prior: two trainings, one the other's input."""
    document = yaml.safe_load(Path(__file__).with_name("tiny.yaml").read_text())
    rows = {label: document["methods"][label] for label in ("nafnet", "gfpgan")}
    path = tmp_path_factory.mktemp("suite") / "two.yaml"
    path.write_text(yaml.safe_dump({**document, "methods": rows, "measure": None}, sort_keys=False))
    return path


def do_jobs(suite: Path, results: Path, *assignments: str) -> tuple[Plan, dict[str, list[str]]]:
    """The plan, executed, and what was damaged before, by label: a run without the report."""
    store = Store(results).open()
    plan = make_plan(load_suite(suite, assignments=assignments), store.cache)
    damaged = discard_damaged(plan.jobs, store, drawn=False)
    outcome = LocalExecutor().run(plan.jobs, store, Execution(), Unwatched())
    assert outcome.failed == {}
    return plan, {job.label: damaged[job.key] for job in plan.jobs if job.key in damaged}


def find(plan: Plan, label: str) -> Job:
    return next(job for job in plan.jobs if job.label == label)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def artefacts(plan: Plan, results: Path) -> dict[str, bytes]:
    """All that the plan's jobs left, by job and name."""
    store = Store(results)
    return {
        f"{job.label}/{name}": (store.path(job.key) / name).read_bytes()
        for job in plan.jobs
        for name in store.record(job.key)["files"]
    }


@pytest.fixture(scope="module")
def finished(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Plan]:
    results = tmp_path_factory.mktemp("finished")
    return results, do_jobs(suite, results)[0]


@pytest.fixture(scope="module")
def clean(suite: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, bytes]]:
    """What a store that nothing happened to holds, by what was changed in the suite."""
    results = tmp_path_factory.mktemp("clean")
    changes = (MORE_IMAGES, OTHER_METRICS, OTHER_TRAINING)
    return {change: artefacts(do_jobs(suite, results, change)[0], results) for change in changes}


@pytest.fixture
def copy(finished: tuple[Path, Plan], tmp_path: Path) -> Path:
    shutil.copytree(finished[0], tmp_path / "results")
    return tmp_path / "results"


@pytest.mark.parametrize(("label", "name", "change"), [
    ("nafnet network", "weights.safetensors", MORE_IMAGES),
    ("nafnet network", "log.parquet", MORE_IMAGES),
    ("nafnet network", RECORD, MORE_IMAGES),
    ("stylegan2 prior", "weights.safetensors", OTHER_TRAINING),
    ("nafnet restore", "images/00001.png", OTHER_METRICS),
    ("pairs", "lq/00000.png", OTHER_METRICS),
])  # fmt: skip
def test_after_a_flipped_byte_the_bits_are_those_of_a_clean_store(
    suite: Path, finished: tuple[Path, Plan], clean: dict[str, dict[str, bytes]], copy: Path,
    label: str, name: str, change: str,
) -> None:  # fmt: skip
    flip(Store(copy).path(find(finished[1], label).key) / name)
    plan, repaired = do_jobs(suite, copy, change)
    assert repaired == {label: [name]}
    assert artefacts(plan, copy) == clean[change]


def test_an_input_of_a_damaged_input_is_looked_at_too(
    suite: Path, finished: tuple[Path, Plan], clean: dict[str, dict[str, bytes]], copy: Path
) -> None:
    damaged = ("gfpgan restoration", "stylegan2 prior")
    for label in damaged:
        flip(Store(copy).path(find(finished[1], label).key) / "weights.safetensors")
    plan, repaired = do_jobs(suite, copy, MORE_IMAGES)
    assert tuple(sorted(repaired)) == damaged
    assert artefacts(plan, copy) == clean[MORE_IMAGES]


def test_a_result_without_its_record_is_done_again(suite: Path, finished: tuple[Path, Plan], copy: Path) -> None:
    train = find(finished[1], "nafnet network")
    (Store(copy).path(train.key) / RECORD).unlink()
    do_jobs(suite, copy)
    assert Store(copy).damaged(train.key) == []


def test_damage_that_comes_during_a_run_fails_the_job_that_would_use_it(
    finished: tuple[Path, Plan], copy: Path
) -> None:
    store = Store(copy)
    train, restore = (find(finished[1], f"nafnet {stage}") for stage in ("network", "restore"))
    store.discard(restore.key)
    flip(store.path(train.key) / "weights.safetensors")
    with pytest.raises(StoreError, match=rf"nafnet restore: .*{train.key}.*weights\.safetensors.*same command"):
        run_job(restore, store, Execution(), Unwatched().progressed)
    assert not store.has(train.key)


@pytest.mark.slow
def test_damaged_numbers_and_pictures_never_reach_a_report(
    suite: Path, finished: tuple[Path, Plan], copy: Path
) -> None:
    store = Store(copy)
    flip(store.path(find(finished[1], "nafnet score").key) / "rows.parquet")
    flip(store.path(find(finished[1], "gfpgan restore").key) / "images" / "00000.png")
    plan = make_plan(load_suite(suite), store.cache)
    made = run_plan(plan, store, Execution(), LocalExecutor(), Unwatched())
    assert made.repaired == {"nafnet score": ["rows.parquet"], "gfpgan restore": ["images/00000.png"]}
    assert {job.label for job in plan.jobs if job.key in made.outcome.done} == set(made.repaired)
    assert not (made.folder / UNFINISHED).exists()
    images = store.path(find(finished[1], "gfpgan restore").key) / "images"
    shutil.copy(images / "00001.png", images / "00000.png")
    pictures = load_report(made.folder).pictures
    assert pictures is not None
    with pytest.raises(StoreError, match=r"gfpgan: .*'test-000000'.*00000\.png.*digest.*store check --repair"):
        pictures.restored["gfpgan"]("test-000000")


def test_a_run_says_what_it_needs_before_it_begins(
    suite: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalExecutor, "run", stop)
    store = Store(tmp_path).open()
    plan = make_plan(load_suite(suite), store.cache)
    with pytest.raises(KeyboardInterrupt):
        run_plan(plan, store, Execution(), LocalExecutor(), Unwatched())
    [announced] = tmp_path.glob(f"*/*/{UNFINISHED}")
    assert json.loads(announced.read_text())["jobs"].keys() == {job.key for job in plan.jobs}
