"""The store: results exist whole or not at all, and one process works on a key at a time."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

import pytest

from bench.errors import StoreError
from bench.job import Job
from bench.store import Store, digest, write_atomically

JOB = Job("load", "a job", {"n": 1}, {})


def test_a_committed_job_is_there_with_its_record(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with store.working(JOB.key) as folder:
        (folder / "weights").write_bytes(b"abc")
        assert not store.has(JOB.key)
        store.commit(JOB, folder, {"seconds": 1.0})
    assert store.has(JOB.key)
    record = store.record(JOB.key)
    assert record["files"] == {"weights": digest(store.path(JOB.key) / "weights")}
    assert (record["label"], record["seconds"], record["identity"]) == ("a job", 1.0, {"n": 1})
    assert store.damaged(JOB.key) == []


def test_interrupted_work_stays_to_be_resumed(tmp_path: Path) -> None:
    store = Store(tmp_path).open()

    def interrupted() -> None:
        with store.working(JOB.key) as folder:
            (folder / "checkpoint").write_bytes(b"half way")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not store.has(JOB.key)
    with store.working(JOB.key) as folder:
        assert (folder / "checkpoint").read_bytes() == b"half way"


def hold(root: Path, seconds: float) -> None:
    with Store(root).working(JOB.key) as folder:
        (folder / "held").touch()
        time.sleep(seconds)


def test_a_second_process_waits_and_a_dead_owner_lets_go(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    context = multiprocessing.get_context("fork")
    owner = context.Process(target=hold, args=(tmp_path, 60))
    owner.start()
    while not (store.folder / ".work" / JOB.key / "held").exists():
        time.sleep(0.01)
    owner.kill()
    started = time.monotonic()
    with store.working(JOB.key):
        assert time.monotonic() - started < 10


def test_atomic_writing_replaces_or_leaves(tmp_path: Path) -> None:
    path = tmp_path / "a" / "file"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(path.parent.iterdir()) == [path]


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with store.working(JOB.key) as folder:
        store.commit(JOB, folder, {})
    (store.path(JOB.key) / "job.json").write_text("{")
    with pytest.raises(StoreError, match=JOB.key):
        store.record(JOB.key)
    assert list(store.records()) == []


def test_records_are_plain_json(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with store.working(JOB.key) as folder:
        store.commit(JOB, folder, {"seconds": 2})
    [record] = store.records()
    assert json.loads(json.dumps(record)) == record
