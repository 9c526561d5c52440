"""Several workers at one study, and what becomes of the trials of those that die."""

from __future__ import annotations

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
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
from bench.errors import StoreError
from bench.suite import load_suite
from bench.sweep import storage as storages
from bench.sweep.claims import WORKPLACE, Claims, begun
from bench.sweep.desk import Desk
from bench.sweep.objectives import Objective
from bench.sweep.record import read_record
from bench.sweep.space import distributions
from bench.sweep.storage import JournalLock, open_storage
from bench.sweep.study import open_study
from bench.sweep.tables import trials_csv
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


def test_a_trial_that_ends_while_another_looks_is_not_done_again(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker tells its values and lets go of its lock between the other's looks at the trial and at the lock."""
    one, other = (claims_at(tmp_path / "s", subject) for _ in range(2))

    def end_first(desk: Desk, number: int) -> bool:
        one.study.tell(number, 1.0, skip_if_finished=True)
        return False

    with one.next_trial() as trial:
        assert trial is not None
        monkeypatch.setattr(Desk, "is_held", end_first)
        with other.next_trial() as second:
            assert second is not None
            assert second.params != trial.params
        monkeypatch.undo()
    assert [each.state for each in one.study.trials][:1] == [TrialState.COMPLETE]
    assert len(begun(one.study.trials)) == len(one.study.trials) == 2


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


@pytest.mark.slow
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


SERVER_REQUIRED = "BENCH_POSTGRESQL_REQUIRED"
"""Set where a missing server must be a failure (.ci/run)."""


@pytest.fixture
def postgresql() -> Iterator[str]:
    """The URL of a database of a server of Debian's packages that runs for the test, and is gone after it.

    The server refuses to be root, who starts it as another user in a folder of that user's.
    """
    found = [*sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl")), shutil.which("pg_ctl")]
    if found[0] is None:
        reason = "PostgreSQL is not installed: your distribution's package `postgresql`"
        pytest.fail(reason) if os.environ.get(SERVER_REQUIRED) else pytest.skip(reason)
    programs, owner = Path(found[0]).resolve().parent, "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        if owner is not None:
            shutil.chown(folder, owner)
        data = f"{folder}/data"

        def control(*command: str) -> None:
            by = {"user": owner, "extra_groups": []} if owner is not None else {}
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=folder, **by)  # type: ignore[call-overload]

        control(f"{programs}/initdb", "-D", data, "-U", "bench", "-A", "trust", "-N")
        options = f"-c listen_addresses='' -k {folder}"
        control(f"{programs}/pg_ctl", "-D", data, "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield f"postgresql+psycopg://bench@/postgres?host={folder}"
        finally:
            control(f"{programs}/pg_ctl", "-D", data, "-m", "immediate", "stop")


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
@pytest.mark.parametrize("storage", ["journal", "sqlite", "postgresql"])
def test_two_workers_share_the_trials(
    write_suite: Write, swept: dict[str, Any], tmp_path: Path, storage: str, request: pytest.FixtureRequest
) -> None:
    swept["sweep"]["trials"] = 8
    path, results = write_suite(swept), tmp_path / "results"
    url = f"sqlite:///{tmp_path}/study.db" if storage == "sqlite" else None
    if storage == "postgresql":
        url = request.getfixturevalue("postgresql")
    workers = [start(path, results, *([] if url is None else ["--storage", url])) for _ in range(2)]
    outputs = [worker.communicate(timeout=300)[0].decode() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], outputs
    rows = rows_of(results)
    assert [row["state"] for row in rows] == ["complete"] * 8
    assert len({row["trainings"] for row in rows}) == 8
    assert sum(output.count("ok trial") for output in outputs) == 8, outputs


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


@pytest.mark.slow
def test_workers_killed_at_random_lose_and_repeat_no_trial(
    write_suite: Write, swept: dict[str, Any], tmp_path: Path
) -> None:
    """In a training, between two trials, or while it writes what it found: within seconds of a worker's first trial.

    `BENCH_SWEEP_KILLS=10 pytest -k workers_killed_at_random` kills ten times."""
    kills, draw = int(os.environ.get("BENCH_SWEEP_KILLS", "3")), random.Random(777)
    swept["sweep"]["trials"] = 3 * kills
    path, results = write_suite(swept), tmp_path / "results"
    finished: dict[str, dict[str, str]] = {}
    for _ in range(kills):
        worker = start(path, results)
        wait_for(lambda: any(results.glob("tiny/sweep-*/.workers/[0-9]*")), worker)
        time.sleep(draw.uniform(0, 2))
        worker.kill()
        worker.communicate(timeout=60)
        assert worker.returncode == -signal.SIGKILL
        found = {row["number"]: row for row in finished_trials(path, results, tmp_path)}
        assert {number: found.get(number) for number in finished} == finished
        finished = found
    made = CliRunner().invoke(app, ["sweep", str(path), "--results", str(results)])
    assert made.exit_code == 0, made.output
    rows = rows_of(results)
    assert [row["state"] for row in rows] == ["complete"] * 3 * kills
    assert {row["number"]: row for row in rows if row["number"] in finished} == finished
    assert len({row[PER] for row in rows}) == 3 * kills
    records = [json.loads(record.read_text()) for record in (results / ".store").glob("*/job.json")]
    trained = [record["key"] for record in records if record["label"] == "ugpnet fusion"]
    assert sorted(trained) == sorted(row["trainings"] for row in rows)


def finished_trials(path: Path, results: Path, folder: Path) -> list[dict[str, str]]:
    """What the study itself says, as `trials.csv` may be a moment behind it."""
    subject = open_subject(load_suite(path), folder / "cache")
    [sweep] = (results / "tiny").glob("sweep-*")
    study = open_study(open_storage(None, sweep), subject, OBJECTIVES)
    record = read_record(study, subject.sweep.space, OBJECTIVES)
    return list(csv.DictReader(trials_csv(record, record.complete).splitlines()))


def test_a_postgresql_server_serves(subject: Subject, tmp_path: Path, postgresql: str) -> None:
    claims = claims_at(tmp_path / "s", subject, open_storage(postgresql, tmp_path))
    finish(claims)
    with begin_and_die(claims) as lost:
        assert finish(claims) == lost.params
    assert len(begun(claims.study.trials)) == 2


def test_a_postgresql_server_that_is_gone_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="the same command goes on once it can be reached"):
        open_storage(f"postgresql+psycopg://bench@/postgres?host={tmp_path}", tmp_path)
