"""The store: results exist whole or not at all, and one process works on a key at a time."""

from __future__ import annotations

import json
import multiprocessing
import time
from pathlib import Path

import pytest

from bench.digest import digest
from bench.errors import StoreError
from bench.job import Job
from bench.store import RECORD, Store, write_atomically

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


def commit(root: Path, files: dict[str, bytes]) -> Store:
    store = Store(root).open()
    with store.working(JOB.key) as folder:
        for name, content in files.items():
            write_atomically(folder / name, content)
        store.commit(JOB, folder, {"seconds": 1.0})
    return store


@pytest.mark.parametrize("record", [
    b"", b"{", b"[]", b"null", b"{}", b'{"kind": 1, "identity": 2, "inputs": 3}', b"[" * 100_000, b"\xff",
])  # fmt: skip
def test_what_is_no_record_is_damage(tmp_path: Path, record: bytes) -> None:
    store = commit(tmp_path, {"a": b"a"})
    (store.path(JOB.key) / RECORD).write_bytes(record)
    with pytest.raises(StoreError, match=rf"{JOB.key}: damaged record \(.*check --repair"):
        store.record(JOB.key)
    assert store.damaged(JOB.key) == [RECORD]


def test_a_record_that_says_something_else_is_damage(tmp_path: Path) -> None:
    """Its identity is what the key is made of, so a changed digit shows."""
    store = commit(tmp_path, {})
    path = store.path(JOB.key) / RECORD
    path.write_text(path.read_text().replace('"n": 1', '"n": 2'))
    with pytest.raises(StoreError, match="its content is that of"):
        store.record(JOB.key)


def test_files_that_differ_or_are_gone_are_named(tmp_path: Path) -> None:
    store = commit(tmp_path, {"same": b"a", "sub/changed": b"b", "gone": b"c"})
    (store.path(JOB.key) / "sub" / "changed").write_bytes(b"B")
    (store.path(JOB.key) / "gone").unlink()
    assert store.damaged(JOB.key) == ["gone", "sub/changed"]
    assert store.damaged(JOB.key, ["same"]) == []
    assert store.damaged(JOB.key, ["never was"]) == ["never was"]
    assert store.discard_damaged(JOB.key, ["same"]) == []
    assert store.discard_damaged(JOB.key) == ["gone", "sub/changed"]
    assert not store.path(JOB.key).exists()
    assert list((store.folder / ".work").iterdir()) == []


def test_a_commit_killed_before_its_rename_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The record that it left is none of the job's files."""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Store, "place", killed)
        with pytest.raises(KeyboardInterrupt):
            commit(tmp_path, {"a": b"a"})
    store = commit(tmp_path, {})
    assert list(store.record(JOB.key)["files"]) == ["a"]
    assert store.damaged(JOB.key) == []


def test_what_a_killed_write_left_is_no_part_of_the_result(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with store.working(JOB.key) as folder:
        for name in (".job.json.123.tmp", "images/.00000.png.123.tmp"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(b"half a fi")
    assert commit(tmp_path, {"a": b"a"}).record(JOB.key)["files"].keys() == {"a"}
    assert sorted(path.name for path in store.path(JOB.key).rglob("*") if path.is_file()) == ["a", RECORD]


def test_a_commit_replaces_what_has_no_record(tmp_path: Path) -> None:
    store = commit(tmp_path, {"a": b"a"})
    (store.path(JOB.key) / RECORD).unlink()
    assert commit(tmp_path, {"b": b"b"}).record(JOB.key)["files"].keys() == {"b"}


def test_another_process_s_lock_is_seen(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    owner = multiprocessing.get_context("fork").Process(target=hold, args=(tmp_path, 60))
    owner.start()
    while not (store.folder / ".work" / JOB.key / "held").exists():
        time.sleep(0.01)
    with store.locked(JOB.key, wait=False) as ours:
        assert not ours
    owner.kill()
    owner.join()
    with store.locked(JOB.key, wait=False) as ours:
        assert ours


def test_records_are_plain_json(tmp_path: Path) -> None:
    store = Store(tmp_path).open()
    with store.working(JOB.key) as folder:
        store.commit(JOB, folder, {"seconds": 2})
    [record] = store.records()
    assert json.loads(json.dumps(record)) == record
