"""`bench store export` and `import`: the same run elsewhere, and archives that mean harm."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from bench.cli import app
from bench.commands import rebuild_report
from bench.digest import digest
from bench.errors import StoreError
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.job import Job
from bench.plan import make_plan
from bench.run import Run, run_plan
from bench.store import RECORD, Store
from bench.storekeeping.archive import INDEX, export_run
from bench.storekeeping.runs import MANIFEST
from bench.storekeeping.unpack import import_archive
from bench.suite import load_suite
from bench.train.execution import Execution

TRAIN = Job("train", "net training", {"n": 1}, {})
RESTORE = Job("restore", "net restore", {"n": 2}, {}, {"network": TRAIN.key})


def silent(_: str) -> None: ...


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A run of two jobs, of which a third one failed."""
    store = Store(tmp_path / "results").open()
    for job in (TRAIN, RESTORE):
        with store.working(job.key) as folder:
            (folder / "images").mkdir()
            (folder / "images" / "0.png").write_bytes(job.key.encode())
            store.commit(job, folder, {"seconds": 1.0})
    run = store.root / "suite" / "quick-1"
    (run / "figures").mkdir(parents=True)
    (run / "figures" / "a.png").write_bytes(b"figure")
    jobs: dict[str, Any] = {TRAIN.key: {}, RESTORE.key: {}, "0" * 20: {}}
    (run / MANIFEST).write_text(json.dumps({"jobs": jobs, "failed": {"0" * 20: "diverged"}}))
    return run


@pytest.fixture
def archive(made: Path, tmp_path: Path) -> Path:
    export_run(made, tmp_path / "run.tar", silent)
    return tmp_path / "run.tar"


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return Store(tmp_path / "target").open()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_comes_out_is_what_went_in(made: Path, archive: Path, target: Store) -> None:
    imported = import_archive(archive, target, silent)
    assert imported.folder == target.root / "suite" / "quick-1"
    assert sorted(imported.added) == sorted((TRAIN.key, RESTORE.key))
    assert contents(imported.folder) == contents(made)
    for key in imported.added:
        assert contents(target.path(key)) == contents(Store(made.parents[1]).path(key))
        assert target.damaged(key) == []
    assert list((target.folder / ".work").iterdir()) == []


def test_the_same_run_is_the_same_bytes(made: Path, archive: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(made.parents[1], copy)
    for path in copy.rglob("*"):
        os.utime(path, (0, 0))
        path.chmod(0o700)
    export_run(copy / "suite" / "quick-1", tmp_path / "again.tar", silent)
    assert digest(tmp_path / "again.tar") == digest(archive)
    with tarfile.open(archive) as tar:
        assert {(member.mtime, member.uid, member.gid, member.uname, member.mode) for member in tar} == {
            (0, 0, 0, "", 0o644)
        }


def test_what_is_there_is_kept(archive: Path, target: Store) -> None:
    import_archive(archive, target, silent)
    (target.path(TRAIN.key) / "images" / "0.png").write_bytes(b"mine")
    (target.root / "suite" / "quick-1" / "figures" / "a.png").write_bytes(b"mine")
    target.discard(RESTORE.key)
    again = import_archive(archive, target, silent)
    assert (again.added, again.kept) == ((RESTORE.key,), (TRAIN.key,))
    assert (target.path(TRAIN.key) / "images" / "0.png").read_bytes() == b"mine"
    assert (again.folder / "figures" / "a.png").read_bytes() == b"mine"


def test_only_whole_runs_are_exported(made: Path, tmp_path: Path) -> None:
    (Store(made.parents[1]).path(TRAIN.key) / "images" / "0.png").write_bytes(b"x")
    with pytest.raises(StoreError, match=rf"{TRAIN.key}: gone or damaged \(images/0\.png\).*--repair"):
        export_run(made, tmp_path / "run.tar", silent)
    with pytest.raises(StoreError, match=r"manifest\.json: is missing"):
        export_run(tmp_path / "results" / "suite", tmp_path / "run.tar", silent)
    assert not list(tmp_path.glob("*.tar*"))
    assert not list(tmp_path.glob(".*.tmp"))


# Archives that mean harm

Change = Callable[[dict[str, Any]], None]
"""Of the members by name: bytes, or (TarInfo, bytes)."""


def rewritten(archive: Path, change: Change) -> Path:
    """The archive with other members."""
    with tarfile.open(archive) as tar:
        members: dict[str, Any] = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    change(members)
    other = archive.with_name("harmful.tar")
    with tarfile.open(other, "w") as tar:
        for name, content in members.items():
            info, data = content if isinstance(content, tuple) else (tarfile.TarInfo(name), content)
            info.size = info.size or len(data)
            tar.fileobj.write(info.tobuf(tarfile.GNU_FORMAT))  # type: ignore[union-attr]
            tar.fileobj.write(data + bytes(-len(data) % 512))  # type: ignore[union-attr]
    return other


def special(name: str, kind: bytes, link: str = "", size: int = 0) -> Change:
    def change(members: dict[str, Any]) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, size
        members[name] = (info, b"")

    return change


def put(name: str, content: bytes = b"x") -> Change:
    return lambda members: members.__setitem__(name, content)


def index(**fields: object) -> Change:
    return lambda members: members.__setitem__(INDEX, json.dumps(json.loads(members[INDEX]) | fields).encode())


IMAGE = f"store/{TRAIN.key}/images/0.png"

HARMFUL: dict[str, tuple[Change, str]] = {
    "upwards": (put("../evil"), "outside of its folder"),
    "upwards inside": (put(f"store/{TRAIN.key}/../../evil"), "outside of its folder"),
    "absolute": (put("/tmp/evil"), "outside of its folder"),
    "hidden": (put(f"store/{TRAIN.key}/.bashrc"), "outside of its folder"),
    "backslash": (put("store\\evil"), "outside of its folder"),
    "symbolic link": (special("store/link", tarfile.SYMTYPE, "/etc"), "no plain file"),
    "hard link": (special("run/link", tarfile.LNKTYPE, "/etc/passwd"), "no plain file"),
    "device": (special("run/null", tarfile.CHRTYPE), "no plain file"),
    "pipe": (special("run/pipe", tarfile.FIFOTYPE), "no plain file"),
    "folder": (special("run/folder", tarfile.DIRTYPE), "no plain file"),
    "claims more": (special("run/huge", tarfile.REGTYPE, size=1 << 50), "claims 1125899906842624 bytes"),
    "negative": (special("run/huge", tarfile.REGTYPE, size=-512), "claims -512 bytes|damaged"),
    "stranger": (put("store/evil/x"), "belongs to nothing"),
    "unlisted file": (put("run/evil"), "belongs to nothing"),
    "unrecorded file": (put(f"store/{TRAIN.key}/evil"), "does not have the digest"),
    "flipped byte": (put(IMAGE, TRAIN.key.encode()[:-1] + b"x"), f"{IMAGE}.*does not have the digest"),
    "lost file": (lambda members: members.pop(IMAGE), "images/0.png' is recorded and not there"),
    "lost record": (lambda members: members.pop(f"store/{TRAIN.key}/{RECORD}"), f"{RECORD}' is missing"),
    "another's record": (
        lambda members: members.update({f"store/{TRAIN.key}/{RECORD}": members[f"store/{RESTORE.key}/{RECORD}"]}),
        f"its content is that of {RESTORE.key}",
    ),
    "damaged record": (put(f"store/{TRAIN.key}/{RECORD}", b"[" * 100_000), f"{RECORD}' is damaged"),
    "flipped page": (put("run/figures/a.png"), "run/figures/a.png' does not have the digest"),
    "lost manifest": (lambda members: members.pop(f"run/{MANIFEST}"), "manifest.json' is missing"),
    "no index": (lambda members: members.pop(INDEX), "no archive of `bench store export`"),
    "newer": (index(format=2), "another format"),
    "run upwards": (index(run="../../evil"), "as none is named"),
    "hidden suite": (index(suite=".store"), "as none is named"),
    "job upwards": (index(jobs=["../../../evil"]), "as none is named"),
    "jobs of another kind": (index(jobs=7), "is damaged"),
    "index of another kind": (put(INDEX, b"[]"), "another format"),
    "index deep": (put(INDEX, b"[" * 100_000), "damaged"),
}  # fmt: skip


@pytest.mark.parametrize("harm", HARMFUL)
def test_a_harmful_archive_is_refused(archive: Path, target: Store, tmp_path: Path, harm: str) -> None:
    change, message = HARMFUL[harm]
    before = set(tmp_path.iterdir())
    other = rewritten(archive, change)
    with pytest.raises(StoreError, match=rf"harmful\.tar: .*({message})"):
        import_archive(other, target, silent)
    assert not target.has(TRAIN.key) or harm == "flipped page"
    assert not (target.root / "suite").exists() or not list((target.root / "suite").iterdir())
    assert list((target.folder / ".work").iterdir()) == []
    assert set(tmp_path.iterdir()) == before | {other}


def test_a_name_that_is_a_file_and_a_folder_is_refused(archive: Path, target: Store) -> None:
    record = f"store/{TRAIN.key}/{RECORD}"

    def change(members: dict[str, Any]) -> None:
        content = json.loads(members[record])
        content["files"]["images"] = hashlib.sha256(b"x").hexdigest()
        members[record] = json.dumps(content).encode()
        members[f"store/{TRAIN.key}/images"] = b"x"

    with pytest.raises(StoreError, match="images: "):
        import_archive(rewritten(archive, change), target, silent)
    assert list((target.folder / ".work").iterdir()) == []


def test_a_member_twice_is_refused(archive: Path, target: Store) -> None:
    def change(members: dict[str, Any]) -> None:
        members["again"] = (tarfile.TarInfo(INDEX), members[INDEX])

    with pytest.raises(StoreError, match="is there twice"):
        import_archive(rewritten(archive, change), target, silent)


def test_no_room_is_said_before_anything_is_written(
    archive: Path, target: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 0, 10))  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="has room for 10"):
        import_archive(archive, target, silent)


def test_a_command_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "not.tar").write_bytes(b"nothing of the kind")
    for file, message in (("not.tar", "not an archive"), ("gone.tar", "no such file")):
        result = CliRunner().invoke(app, ["store", "import", str(tmp_path / file), "--results", str(tmp_path)])
        assert result.exit_code == 2
        assert message in result.output


@given(st.data())
@settings(max_examples=150, derandomize=True, deadline=None, database=None)
def test_a_mutated_archive_is_refused_or_imported_whole(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("mutated", numbered=True)
    content = bytearray(_small_archive())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / "a.tar").write_bytes(content[: data.draw(st.integers(0, len(content)))])
    store = Store(folder / "results").open()
    with suppress(StoreError):
        import_archive(folder / "a.tar", store, silent)
    assert all(store.damaged(key) == [] for key in store.all_keys())
    assert {path.name for path in folder.iterdir()} == {"a.tar", "results"}
    shutil.rmtree(folder)


def _small_archive() -> bytes:
    """One job's run as an archive."""
    record = {
        "kind": "load", "label": "a", "identity": {}, "inputs": {}, "units": 0, "seconds": 1.0,
        "files": {"w": hashlib.sha256(b"w").hexdigest()},
    }  # fmt: skip
    key = Job("load", "a", {}, {}).key
    manifest = json.dumps({"jobs": {key: {}}}).encode()
    files = {MANIFEST: hashlib.sha256(manifest).hexdigest()}
    listed = {"format": 1, "suite": "s", "run": "r", "jobs": [key], "files": files}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, content in {
            INDEX: json.dumps(listed).encode(), f"run/{MANIFEST}": manifest,
            f"store/{key}/{RECORD}": json.dumps(record).encode(), f"store/{key}/w": b"w",
        }.items():  # fmt: skip
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


# With a real run


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Run]:
    """The suite's file and its run: one training of two steps, three images."""
    folder = tmp_path_factory.mktemp("real")
    document = yaml.safe_load(Path(__file__).with_name("tiny.yaml").read_text())
    suite = folder / "tiny.yaml"
    rows = {label: document["methods"][label] for label in ("input", "nafnet")}
    suite.write_text(yaml.safe_dump({**document, "methods": rows, "components": {}}))
    return suite, run(suite, folder / "results")


def run(suite: Path, results: Path) -> Run:
    store = Store(results).open()
    plan = make_plan(load_suite(suite), store.cache)
    return run_plan(plan, store, Execution(), LocalExecutor(), Unwatched())


@pytest.mark.slow
def test_an_imported_run_is_done_and_reports_the_same_bytes(
    real: tuple[Path, Run], target: Store, tmp_path: Path
) -> None:
    suite, original = real
    runner = CliRunner()
    made = runner.invoke(app, ["store", "export", str(original.folder), str(tmp_path / "run.tar")])
    assert made.exit_code == 0, made.output
    made = runner.invoke(app, ["store", "import", str(tmp_path / "run.tar"), "--results", str(target.root)])
    assert made.exit_code == 0, made.output
    imported = target.root / original.folder.relative_to(original.folder.parents[1])
    before = contents(imported)
    assert before == contents(original.folder)
    assert run(suite, target.root).outcome.done == []
    assert rebuild_report(imported) == 0
    assert contents(imported) == before
