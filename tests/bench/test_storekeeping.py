"""`bench store check` and `gc`: damage is named, and nothing goes that somebody needs."""

from __future__ import annotations

import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bench.cli import app
from bench.errors import StoreError
from bench.job import Job
from bench.store import RECORD, Store
from bench.storekeeping.runs import MANIFEST, UNFINISHED, announce, find_runs, needed_keys

TRAIN = Job("train", "net training", {"n": 1}, {})
RESTORE = Job("restore", "net restore", {"n": 2}, {}, {"network": TRAIN.key})
OTHER = Job("load", "old weights", {"n": 3}, {})
JOBS = (TRAIN, RESTORE, OTHER)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["store", *map(str, arguments)], env={"COLUMNS": "400"})


def do(store: Store, job: Job) -> None:
    with store.working(job.key) as folder:
        (folder / "sub").mkdir()
        (folder / "weights").write_bytes(job.key.encode() * 100)
        (folder / "sub" / "log").write_bytes(b"log")
        store.commit(job, folder, {"seconds": 1.0})


def write_manifest(folder: Path, *jobs: Job) -> Path:
    folder.mkdir(parents=True)
    (folder / MANIFEST).write_text(json.dumps({"jobs": {job.key: {} for job in jobs}}))
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Three results, of which the one run refers to the second, which was made from the first."""
    made = Store(tmp_path / "results").open()
    for job in JOBS:
        do(made, job)
    write_manifest(made.root / "suite" / "quick-1", RESTORE)
    return made


def age(path: Path, seconds: float = 2 * 24 * 3600) -> None:
    for each in (path, *path.rglob("*")):
        os.utime(each, (time.time() - seconds,) * 2)


# check


def test_a_store_without_damage_is_told_so(store: Store) -> None:
    result = invoke("check", "--results", store.root)
    assert result.exit_code == 0
    assert result.output.split("\n")[-2] == "3 results, 0 damaged"


def test_every_kind_of_damage_is_named_and_repaired(store: Store) -> None:
    (store.path(TRAIN.key) / "weights").write_bytes(b"x")
    (store.path(TRAIN.key) / "sub" / "log").unlink()
    (store.path(RESTORE.key) / RECORD).write_text('{"key": ')
    (store.path(OTHER.key) / RECORD).unlink()
    for arguments in ((), ("--repair",)):
        result = invoke("check", "--results", store.root, *arguments)
        assert result.exit_code == 1
        assert f"net training ({TRAIN.key}): sub/log, weights; " in result.output
        for key in (RESTORE.key, OTHER.key):
            assert f"{key}: {RECORD}; " in result.output
    assert "discarded; the next run makes it again" in result.output
    assert store.all_keys() == []
    assert invoke("check", "--results", store.root).exit_code == 0


def test_some_results_are_checked_by_how_their_keys_begin(store: Store) -> None:
    (store.path(OTHER.key) / "weights").unlink()
    assert "1 results, 0 damaged" in invoke("check", TRAIN.key[:8], "--results", store.root).output
    assert "2 results, 1 damaged" in invoke("check", TRAIN.key[:8], OTHER.key, "--results", store.root).output
    result = invoke("check", "123nothing", "--results", store.root)
    assert result.exit_code == 2
    assert "no result '123nothing'" in result.output


def test_a_folder_without_results_is_a_mistake(tmp_path: Path) -> None:
    for command in ("check", "gc"):
        result = invoke(command, "--results", tmp_path)
        assert result.exit_code == 2
        assert "no store of results is here" in result.output
    assert list(tmp_path.iterdir()) == []


def hold(root: Path, key: str) -> None:
    with Store(root).locked(key):
        (root / "held").touch()
        time.sleep(60)


@pytest.fixture
def held(store: Store) -> Iterator[Store]:
    """The store while another process works on OTHER."""
    owner = multiprocessing.get_context("fork").Process(target=hold, args=(store.root, OTHER.key))
    owner.start()
    while not (store.root / "held").exists():
        time.sleep(0.01)
    yield store
    owner.kill()
    owner.join()


def test_what_a_process_works_on_is_not_repaired(held: Store) -> None:
    (held.path(OTHER.key) / "weights").unlink()
    assert "left alone: a process is working on it" in invoke("check", "--repair", "--results", held.root).output
    assert held.has(OTHER.key)


# gc


def test_what_no_run_refers_to_is_removed(store: Store) -> None:
    size = sum(path.stat().st_size for path in store.path(OTHER.key).rglob("*") if path.is_file())
    dry = invoke("gc", "--dry-run", "--results", store.root)
    assert f"old weights ({OTHER.key})  {size / 1000:.1f} kB" in dry.output
    assert "would be removed: 1, " in dry.output
    assert store.has(OTHER.key)
    assert "removed: 1, " in invoke("gc", "--results", store.root).output
    assert store.all_keys() == sorted((TRAIN.key, RESTORE.key))
    assert "removed: 0, 0 bytes" in invoke("gc", "--results", store.root).output


def test_a_run_that_has_begun_keeps_what_it_needs(store: Store) -> None:
    announce(store.root / "suite" / "quick-2", [OTHER], store)
    invoke("gc", "--results", store.root)
    assert store.has(OTHER.key)


@pytest.mark.parametrize("where", ["deeper", "linked"])
def test_runs_are_found_at_any_depth_and_behind_links(store: Store, tmp_path: Path, where: str) -> None:
    if where == "deeper":
        write_manifest(store.root / "study" / "trials" / "7" / "quick-3", OTHER)
    else:
        write_manifest(tmp_path / "elsewhere" / "quick-3", OTHER)
        (store.root / "linked").symlink_to(tmp_path / "elsewhere")
        (tmp_path / "elsewhere" / "circle").symlink_to(store.root)
    invoke("gc", "--results", store.root)
    assert store.has(OTHER.key)


def test_a_run_elsewhere_is_kept_by_name(store: Store, tmp_path: Path) -> None:
    moved = write_manifest(tmp_path / "moved", OTHER)
    invoke("gc", "--results", store.root, "--keep", moved)
    assert store.has(OTHER.key)
    result = invoke("gc", "--results", store.root, "--keep", tmp_path / "gone")
    assert result.exit_code == 2
    assert "is missing" in result.output


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"jobs": 3}', "[" * 100_000])
@pytest.mark.parametrize("name", [MANIFEST, UNFINISHED])
def test_nothing_is_removed_where_a_run_cannot_be_read(store: Store, name: str, content: str) -> None:
    (store.root / "suite" / "quick-1" / name).write_text(content)
    with pytest.raises(StoreError, match=rf"quick-1/{name}: is damaged"):
        needed_keys(store, find_runs(store.root))
    assert invoke("gc", "--results", store.root).exit_code == 2
    assert len(store.all_keys()) == 3


def test_nothing_is_removed_where_no_run_is(store: Store) -> None:
    (store.root / "suite" / "quick-1" / MANIFEST).unlink()
    result = invoke("gc", "--results", store.root)
    assert result.exit_code == 2
    assert "no run is here" in result.output


def test_old_work_goes_unless_a_run_goes_on_from_it(store: Store) -> None:
    work = store.folder / ".work"
    resumed = Job("train", "interrupted", {"n": 4}, {})
    announce(store.root / "suite" / "quick-2", [resumed], store)
    folders = [work / name for name in (resumed.key, TRAIN.key, OTHER.key, f".discarded-{TRAIN.key}-x")]
    for folder in folders:
        folder.mkdir()
        (folder / "file").touch()
    error = work / f"{OTHER.key}.error.txt"
    error.touch()
    invoke("gc", "--results", store.root)
    assert all(path.exists() for path in (*folders, error))
    for path in (*folders, error):
        age(path)
    (work / OTHER.key / "file").touch()
    invoke("gc", "--results", store.root)
    assert sorted(work.iterdir()) == sorted([work / resumed.key, work / OTHER.key])


def test_what_a_living_process_has_locked_is_left_alone(held: Store) -> None:
    (held.folder / ".work" / OTHER.key).mkdir()
    age(held.folder / ".work" / OTHER.key)
    result = invoke("gc", "--results", held.root)
    assert result.output.count("is left alone: a process is working on it") == 2
    assert held.has(OTHER.key)
    assert (held.folder / ".work" / OTHER.key).is_dir()


def test_the_cache_goes_where_it_is_asked_for(store: Store) -> None:
    (store.cache).mkdir()
    (store.cache / "digests.json").write_text("{}")
    invoke("gc", "--results", store.root)
    assert store.cache.is_dir()
    assert "cache" in invoke("gc", "--results", store.root, "--cache").output
    assert not store.cache.exists()
