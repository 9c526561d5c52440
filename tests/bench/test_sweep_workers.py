"""Several workers at one study, and what becomes of the trials of those that die."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import optuna
import pytest
from optuna.storages import BaseStorage
from optuna.trial import TrialState
from typer.testing import CliRunner

from bench.cli import app
from bench.suite import load_suite
from bench.sweep import storage as storages
from bench.sweep.claims import WORKPLACE, Claims, begun
from bench.sweep.desk import Desk
from bench.sweep.objectives import Objective
from bench.sweep.space import distributions
from bench.sweep.storage import JournalLock, open_storage
from bench.sweep.study import open_study
from bench.sweep.variation import Subject, open_subject

Write: TypeAlias = Callable[[object], Path]

PER = "ugpnet.fusion.lambda_per"
OBJECTIVES = (Objective("psnr", "PSNR", "up", 2),)
BENCH = (sys.executable, "-c", "from bench.cli import main; main()")


@pytest.fixture
def swept(tiny_document: dict[str, Any]) -> dict[str, Any]:
    """The tiny suite with a sweep over the last stage."""
    space = {PER: {"low": 1, "high": 300, "log": True}}
    sweep = {"row": "ugpnet", "space": space, "objectives": {"psnr": "max"}, "trials": 4}
    return {**tiny_document, "sweep": sweep}


@pytest.fixture
def subject(write_suite: Write, swept: dict[str, Any], tmp_path: Path) -> Subject:
    return open_subject(load_suite(write_suite(swept)), tmp_path / "cache")


def claims_at(folder: Path, subject: Subject, storage: BaseStorage | None = None) -> Claims:
    """A worker with this folder, and a storage in it or elsewhere."""
    folder.mkdir(exist_ok=True)
    study = open_study(storage or open_storage(None, folder), subject, OBJECTIVES)
    return Claims(study, subject, distributions(subject.sweep.space), Desk(folder))


def finish(claims: Claims, value: float = 1.0) -> dict[str, Any]:
    """Take a trial and tell its value; its parameters."""
    with claims.next_trial() as trial:
        assert trial is not None
        claims.study.tell(trial.number, value)
        return trial.params


@contextmanager
def begin_and_die(claims: Claims) -> Iterator[optuna.Trial]:
    """A trial whose worker is gone: nobody holds its lock, and nobody told its value."""
    with claims.next_trial() as trial:
        assert trial is not None
    yield trial


def test_a_dead_worker_s_trial_is_taken_up_at_once_and_counts_once(subject: Subject, tmp_path: Path) -> None:
    claims = claims_at(tmp_path / "s", subject)
    finish(claims)
    with begin_and_die(claims) as lost, claims.next_trial() as again:
        assert again is not None
        assert again.number != lost.number
        assert again.params == lost.params
        assert len(begun(claims.study.trials)) == 2
        claims.study.tell(again.number, 2.0)
    states = [trial.state for trial in claims.study.trials]
    assert states == [TrialState.COMPLETE, TrialState.FAIL, TrialState.COMPLETE]
    finish(claims)
    finish(claims)
    with claims.next_trial() as trial:
        assert trial is None
    assert sum(trial.state is TrialState.COMPLETE for trial in claims.study.trials) == 4


def test_a_trial_may_be_lost_again_and_again(subject: Subject, tmp_path: Path) -> None:
    claims = claims_at(tmp_path / "s", subject)
    drawn = []
    for _ in range(4):
        with begin_and_die(claims) as lost:
            drawn.append(lost.params)
    assert len({params[PER] for params in drawn}) == 1
    assert finish(claims) == drawn[0]
    assert len(begun(claims.study.trials)) == 1


def test_a_living_worker_keeps_its_trial(subject: Subject, tmp_path: Path) -> None:
    one, other = (claims_at(tmp_path / "s", subject) for _ in range(2))
    with one.next_trial() as first, other.next_trial() as second:
        assert first is not None
        assert second is not None
        assert first.number != second.number
        assert first.params != second.params
    assert not list((tmp_path / "s" / ".workers").glob("[0-9]*"))


def test_who_dies_while_it_hands_a_trial_back_loses_nothing(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    claims = claims_at(tmp_path / "s", subject)
    with begin_and_die(claims) as lost:
        pass
    with monkeypatch.context() as patch:
        patch.setattr(optuna.Study, "tell", lambda *_, **__: (_ for _ in ()).throw(SystemExit))
        with pytest.raises(SystemExit), claims.next_trial():
            pass
    assert finish(claims) == lost.params
    assert len(begun(claims.study.trials)) == 1
    assert Counter(t.state for t in claims.study.trials) == {TrialState.FAIL: 1, TrialState.COMPLETE: 1}


def test_workers_elsewhere_are_left_alone_until_they_fall_silent(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two folders, one database: locks cannot be seen, signs of life can."""
    monkeypatch.setattr(storages, "GRACE_SECONDS", 1)
    url = f"sqlite:///{tmp_path}/study.db"
    storage = open_storage(url, tmp_path)
    here, there = claims_at(tmp_path / "here", subject, storage), claims_at(tmp_path / "there", subject, storage)
    with begin_and_die(there) as lost:
        storage.record_heartbeat(lost._trial_id)  # type: ignore[attr-defined]
        with here.next_trial() as mine:
            assert mine is not None
            assert mine.params != lost.params
            here.study.tell(mine.number, 1.0)
        assert here.study.trials[lost.number].state is TrialState.RUNNING
        assert (
            here.study.trials[lost.number].user_attrs[WORKPLACE] != here.study.trials[mine.number].user_attrs[WORKPLACE]
        )
        deadline = time.monotonic() + 20
        while here.study.trials[lost.number].state is TrialState.RUNNING:
            assert time.monotonic() < deadline
            time.sleep(0.5)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                optuna.storages.fail_stale_trials(here.study)
        assert finish(here) == lost.params
        assert len(begun(here.study.trials)) == 2


def test_a_journal_s_lock_dies_with_its_owner(tmp_path: Path) -> None:
    journal = tmp_path / "study.journal"
    journal.write_bytes(b'{"op_code": 0}\n{"op_co')
    program = (
        "import os, signal; from bench.sweep.storage import JournalLock; "
        f"JournalLock({str(journal)!r}).acquire(); os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == -signal.SIGKILL
    began = time.monotonic()
    lock = JournalLock(str(journal))
    assert lock.acquire()
    lock.release()
    assert time.monotonic() - began < 2
    assert journal.read_bytes() == b'{"op_code": 0}\n'


def start(path: Path, results: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [*BENCH, "sweep", str(path), "--results", str(results), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def rows_of(results: Path) -> list[dict[str, str]]:
    [path] = (results / "tiny").glob("sweep-*/trials.csv")
    return list(csv.DictReader(path.open()))


@pytest.mark.slow
def test_two_workers_share_the_trials(write_suite: Write, swept: dict[str, Any], tmp_path: Path) -> None:
    swept["sweep"]["trials"] = 8
    path, results = write_suite(swept), tmp_path / "results"
    workers = [start(path, results) for _ in range(2)]
    outputs = [worker.communicate(timeout=300)[0].decode() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    rows = rows_of(results)
    assert [row["state"] for row in rows] == ["complete"] * 8
    assert len({row["trainings"] for row in rows}) == 8
    done = [output.count("ok trial") for output in outputs]
    assert sum(done) == 8


@pytest.mark.slow
@pytest.mark.parametrize("url", [None, "sqlite"])
def test_a_killed_worker_s_trial_is_done_by_another(
    write_suite: Write, swept: dict[str, Any], tmp_path: Path, url: str | None
) -> None:
    """kill -9 in the middle of a training: the same command does that trial, and no finished one again."""
    swept["methods"]["ugpnet"]["fusion"]["budget"] = {"iterations": 40, "batch_size": 2}
    path, results = write_suite(swept), tmp_path / "results"
    more = [] if url is None else ["--storage", f"sqlite:///{tmp_path}/study.db"]
    worker = start(path, results, *more)
    wait_for(lambda: any(results.glob("tiny/sweep-*/.workers/1")), worker)
    worker.kill()
    worker.communicate(timeout=60)
    before = rows_of(results)
    assert [row["number"] for row in before] == ["0"]
    made = CliRunner().invoke(app, ["sweep", str(path), "--results", str(results), *more])
    assert made.exit_code == 0, made.output
    assert "trial 0:" not in made.output
    rows = rows_of(results)
    assert rows[0] == before[0]
    assert [row["number"] for row in rows] == ["0", "2", "3", "4"]  # 2 is 1 again
    assert [row["state"] for row in rows] == ["complete"] * 4


@pytest.mark.slow
def test_ctrl_c_ends_with_130_and_the_trial_goes_on(write_suite: Write, swept: dict[str, Any], tmp_path: Path) -> None:
    """To the same trials as without: a trial that was interrupted is no other trial."""
    swept["methods"]["ugpnet"]["fusion"]["budget"] = {"iterations": 60, "batch_size": 2}
    path, results = write_suite(swept), tmp_path / "results"
    worker = start(path, results)
    wait_for(lambda: any(results.glob("tiny/sweep-*/.workers/1")), worker)
    time.sleep(0.3)
    worker.send_signal(signal.SIGINT)
    output = worker.communicate(timeout=60)[0].decode()
    assert worker.returncode == 130, output
    assert "the same command goes on from here" in output
    made = CliRunner().invoke(app, ["sweep", str(path), "--results", str(results)])
    assert made.exit_code == 0, made.output
    assert [row["state"] for row in rows_of(results)] == ["complete"] * 4


def _postgres() -> Path | None:
    """A server's programs, where Debian's package put them or on the path."""
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), shutil.which("pg_ctl")]
    return Path(found[0]).resolve().parent if found and found[0] else None


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[str]:
    """The URL of a database of a server that runs for the test."""
    driver = next((name for name in ("psycopg", "psycopg2") if _is_installed(name)), None)
    programs = _postgres()
    if driver is None or programs is None or os.geteuid() == 0:
        pytest.skip("needs PostgreSQL, psycopg, and a user that is not root")
    data = tmp_path / "pg"
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    subprocess.run([programs / "initdb", "-D", data, "-U", "bench", "-A", "trust", "-N"], **quiet)  # type: ignore[call-overload]
    options = f"-c listen_addresses='' -k {tmp_path}"
    subprocess.run([programs / "pg_ctl", "-D", data, "-o", options, "-l", tmp_path / "log", "-w", "start"], **quiet)  # type: ignore[call-overload]
    try:
        yield f"postgresql+{driver}://bench@/postgres?host={tmp_path}"
    finally:
        subprocess.run([programs / "pg_ctl", "-D", data, "-m", "immediate", "stop"], **quiet)  # type: ignore[call-overload]


def _is_installed(module: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(module) is not None


def test_a_postgresql_server_serves(subject: Subject, tmp_path: Path, postgres: str) -> None:
    storage = open_storage(postgres, tmp_path)
    claims = claims_at(tmp_path / "s", subject, storage)
    finish(claims)
    with begin_and_die(claims) as lost:
        assert finish(claims) == lost.params
    assert len(begun(claims.study.trials)) == 2
