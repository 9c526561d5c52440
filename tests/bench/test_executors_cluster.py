"""What is awaited of a cluster's nodes, and what becomes of it, without any: a stand-in that answers at once."""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pytest

from bench.errors import BenchError, StoreError
from bench.execute import Progress
from bench.executors.attempt import Attempt
from bench.executors.base import Outcome, Unwatched
from bench.executors.cluster import shift as shifts
from bench.executors.cluster.base import Ended, Handle, Lost, Room
from bench.executors.cluster.demand import Demand, Node, Share, demand_of, why_impossible
from bench.executors.cluster.errand import Errand, Inputs, Letter, Rank, Reply
from bench.executors.cluster.executor import ClusterExecutor
from bench.executors.cluster.flight import TRIES
from bench.executors.cluster.folder import Folder, marked
from bench.executors.cluster.letters import Correspondent
from bench.executors.cluster.node import perform
from bench.executors.cluster.parcel import pack, unpack
from bench.executors.engine import Engine, open_executor
from bench.job import Job
from bench.store import RECORD, Store
from bench.train.execution import Execution

FIRST = Job("load", "first weights", {"n": 1}, {})
SECOND = Job("train", "second network", {"n": 2}, {}, {"weights": FIRST.key}, 10)
THIRD = Job("restore", "third restore", {"n": 3}, {}, {"network": SECOND.key}, 3)
NODES = (Node("a", "a", 4, 0, here=True), Node("b", "b", 8, 2))


Answer: TypeAlias = Reply | Lost | Ended


def finish(job: Job, store: Store) -> None:
    with store.working(job.key) as folder:
        (folder / "made.txt").write_text(job.label)
        store.commit(job, folder, {"seconds": 0.0})


class Stand:
    """A cluster whose tasks are over when they are waited for: `answer` says how, per errand."""

    def __init__(self, answer: Callable[[Errand, Inputs], Answer | None], sees: bool = True) -> None:
        self.answer = answer
        self.sees = sees
        self.has: Sequence[Node] = NODES
        self.errands: list[Errand] = []
        self.events: list[str] = []
        self.sent: list[Any] = []
        self.post: list[Letter] = []
        self.cancelled: set[Handle] = set()
        self._inputs: dict[int, Inputs] = {}
        self._answers: dict[int, Answer | None] = {}

    def nodes(self) -> Sequence[Node]:
        return self.has

    def look(self, folder: Folder) -> Mapping[str, bool]:
        return {"a": True, "b": self.sees}

    def clear(self, folder: Folder) -> None:
        self.events.append("clear")

    def send(self, parcel: Any) -> Handle:
        self.sent.append(parcel)
        return f"parcel {len(self.sent) - 1}"

    def submit(self, errand: Errand, inputs: Inputs, demand: Demand) -> Handle:
        self.errands.append(errand)
        self._inputs[len(self.errands) - 1] = inputs
        return len(self.errands) - 1

    def join(self, errand: Errand, inputs: Inputs, demand: Demand, room: Room) -> Handle:
        self.events.append(f"join {errand.rank.number if errand.rank else '?'}")
        return self.submit(errand, inputs, demand)

    def reserve(self, demand: Demand) -> Room:
        self.events.append(f"reserve {demand.processes}")
        return Room("room", f"address {len(self.events)}")

    def release(self, room: Room) -> None:
        self.events.append("release")

    def wait(self, handles: Sequence[Handle], seconds: float) -> Sequence[Handle]:
        return [each for each in handles if self._is_over(each)]

    def _is_over(self, handle: Handle) -> bool:
        if not isinstance(handle, int) or handle in self.cancelled:
            return True
        if self._answers.get(handle) is None:
            self._answers[handle] = self.answer(self.errands[handle], self._inputs[handle])
        return self._answers[handle] is not None

    def reply(self, handle: Handle) -> Reply:
        if handle in self.cancelled:
            raise Ended("cancelled")
        answer = self._answers[handle]
        assert answer is not None
        if isinstance(answer, (Lost, Ended)):
            raise answer
        return answer

    def meeting(self, room: Room) -> tuple[str, int]:
        return "10.0.0.1", 4000

    def cancel(self, handle: Handle, force: bool = False) -> None:
        self.events.append(f"{'end' if force else 'cancel'} {handle}")
        self.cancelled.add(handle)

    def letters(self) -> Sequence[Letter]:
        waiting, self.post = self.post, []
        return waiting

    def close(self) -> None: ...


class StandExecutor(ClusterExecutor):
    name = "a stand-in"

    def __init__(self, cluster: Stand, share: Share = Share()) -> None:
        self.lines: list[str] = []
        super().__init__(share, self.lines.append)
        self.cluster = cluster

    def connect(self) -> Stand:
        return self.cluster


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results").open()


def run(
    cluster: Stand, store: Store, jobs: Sequence[Job] = (FIRST, SECOND, THIRD), execution: Execution = Execution()
) -> Outcome:
    return StandExecutor(cluster).run(jobs, store, execution, Unwatched())


def well(store: Store) -> Callable[[Errand, Inputs], Reply]:
    """Nodes that see the results folder and do every job."""

    def answer(errand: Errand, inputs: Inputs) -> Reply:
        if not store.has(errand.job.key):
            finish(errand.job, store)
        return Reply(Attempt(worked=True))

    return answer


def keys(*jobs: Job) -> list[str]:
    return [job.key for job in jobs]


def test_jobs_go_out_when_their_inputs_are_there(store: Store) -> None:
    cluster = Stand(well(store))
    outcome = run(cluster, store)
    assert outcome.done == keys(FIRST, SECOND, THIRD)
    assert [errand.job for errand in cluster.errands] == [FIRST, SECOND, THIRD]
    assert cluster.sent == []
    assert run(Stand(well(store)), store).cached == keys(FIRST, SECOND, THIRD)


def test_a_failure_is_its_job_s_and_its_users_s(store: Store) -> None:
    other = replace(THIRD, label="other", inputs={}, identity={"n": 4})

    def answer(errand: Errand, inputs: Inputs) -> Reply:
        return Reply(Attempt(failure="diverged")) if errand.job is SECOND else well(store)(errand, inputs)

    outcome = run(Stand(answer), store, (FIRST, SECOND, THIRD, other))
    assert outcome.failed == {SECOND.key: "diverged", THIRD.key: "diverged"}
    assert set(outcome.done) == set(keys(FIRST, other))


def test_what_is_lost_for_good_says_how_to_go_on(store: Store) -> None:
    outcome = run(Stand(lambda errand, _: Lost("the node died")), store, [replace(SECOND, inputs={})])
    how = f"second network: lost with its node or process, {TRIES} times (the node died)"
    assert [*outcome.failed.values()] == [f"{how}; the same command goes on from its last checkpoint"]


def test_what_ends_before_it_begins_is_named(store: Store) -> None:
    outcome = run(Stand(lambda *_: Ended("No module named 'bench'")), store, [FIRST])
    assert outcome.failed == {FIRST.key: "first weights: No module named 'bench'"}


# Without a folder in common


def test_results_are_sent_to_nodes_without_the_folder(store: Store, tmp_path: Path) -> None:
    """Each once, by whoever needs it, and dropped when nobody does any more."""
    theirs = Store(tmp_path / "theirs").open()
    user = replace(SECOND, label="another", identity={"n": 5})

    def answer(errand: Errand, inputs: Inputs) -> Reply:
        assert set(inputs) == set(errand.job.inputs.values())
        if not theirs.has(errand.job.key):
            finish(errand.job, theirs)
        return Reply(Attempt(worked=True), parcel=pack(errand.job.key, theirs))

    cluster = Stand(answer, sees=False)
    executor = StandExecutor(cluster)
    outcome = executor.run((FIRST, SECOND, user, THIRD), store, Execution(), Unwatched())
    assert set(outcome.done) == set(keys(FIRST, SECOND, user, THIRD))
    assert all(store.damaged(key) == [] for key in outcome.done)
    assert len(cluster.sent) == 2
    assert cluster.events == ["clear"]
    assert "1 of them without the results folder, results are sent" in executor.lines[0]


def test_a_node_that_comes_later_without_the_folder_is_sent_the_inputs(store: Store) -> None:
    def answer(errand: Errand, inputs: Inputs) -> Reply:
        if errand.job is SECOND and not inputs:
            return Reply(Attempt(failure="no folder"), lacking=True)
        return well(store)(errand, inputs)

    cluster = Stand(answer)
    outcome = run(cluster, store)
    assert outcome.done == keys(FIRST, SECOND, THIRD)
    assert [errand.job for errand in cluster.errands] == [FIRST, SECOND, SECOND, THIRD]


def test_a_damaged_parcel_is_a_failure_and_leaves_nothing(store: Store, tmp_path: Path) -> None:
    theirs = Store(tmp_path / "theirs").open()
    finish(FIRST, theirs)
    parcel = pack(FIRST.key, theirs).copy()
    place = bytes(parcel).index(b"first weights", 2000)
    parcel[place] ^= 1
    outcome = run(Stand(lambda *_: Reply(Attempt(worked=True), parcel=parcel), sees=False), store, [FIRST])
    assert "does not have the digest" in outcome.failed[FIRST.key]
    assert store.all_keys() == []
    with pytest.raises(StoreError, match="names other results than"):
        unpack(pack(FIRST.key, theirs), SECOND.key, store)


def test_a_result_that_does_not_appear_is_a_failure(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shifts, "VISIBLE_SECONDS", 0.2)
    outcome = run(Stand(lambda *_: Reply(Attempt(worked=True))), store, [FIRST])
    assert "is it the same file system?" in outcome.failed[FIRST.key]


def test_a_copy_of_the_folder_is_not_the_folder(store: Store, tmp_path: Path) -> None:
    with marked(store) as folder:
        assert folder.is_here()
        assert folder.open_store().root == store.root.absolute()
        elsewhere = replace(folder, root=tmp_path / "copy", scratch=f"{folder.scratch}-test")
        Store(tmp_path / "copy").open()
        assert not elsewhere.is_here()
        assert elsewhere.open_store().root != elsewhere.root
        elsewhere.clear_scratch()
        assert not elsewhere._place().exists()
    assert not folder.is_here()
    with marked(store) as again:
        assert again.scratch == folder.scratch
    assert not list(store.folder.glob(".seen-*"))


# On a node


def errand(job: Job, folder: Folder) -> Errand:
    return Errand(job, Execution(), folder, gpu=True)


@pytest.fixture
def away(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    """The results folder as a node finds it that does not see it."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with marked(store) as folder:
        return replace(folder, root=Path("/nowhere"))


def test_a_node_without_the_folder_unpacks_works_and_packs(
    store: Store, away: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    finish(FIRST, store)
    parcel = pack(FIRST.key, store)

    def work(job: Job, place: Any) -> dict[str, Any]:
        (place.folder / "copy.txt").write_bytes((place.input(job, "weights") / "made.txt").read_bytes())
        place.tell(Progress(job, 10, 10))
        return {}

    monkeypatch.setattr("bench.train.stage.train_stage", work)
    letters: list[Letter] = []
    assert perform(errand(SECOND, away), {}, letters.append).lacking
    reply = perform(errand(SECOND, away), {FIRST.key: parcel}, letters.append)
    assert reply.tried == Attempt(worked=True)
    assert reply.parcel is not None
    unpack(reply.parcel, SECOND.key, store)
    assert (store.path(SECOND.key) / "copy.txt").read_text() == "first weights"
    assert letters == [(SECOND.key, 1, platform.node(), None), (SECOND.key, 2, platform.node(), (10, 10, "", {}))]
    assert reply.letters == 2


def test_a_traceback_goes_home(store: Store, away: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.train.stage.train_stage", lambda job, place: 1 / 0)
    reply = perform(errand(replace(SECOND, inputs={}), away), {}, lambda _: None)
    assert reply.trace is not None
    assert "ZeroDivisionError" in reply.trace
    assert reply.tried.failure is not None
    assert "traceback in /nowhere/.store/.work/" in reply.tried.failure


def test_a_rank_knows_the_others_and_forgets_them(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT")
    monkeypatch.setattr("bench.executors.cluster.node.follow", lambda *_: seen.extend(map(read, names)))
    with marked(store) as folder:
        rank = replace(errand(FIRST, folder), rank=Rank(1, 2, "10.0.0.1", 4000))
        letters: list[Letter] = []
        assert perform(rank, {}, letters.append).parcel is None
    assert seen == ["1", "2", "0", "10.0.0.1", "4000"]
    assert [read(name) for name in names] == [None] * 5
    assert letters == []


def read(name: str) -> str | None:
    return os.environ.get(name)


def test_letters_are_few_and_lose_no_value() -> None:
    letters: list[Letter] = []
    correspondent = Correspondent(SECOND, letters.append)
    for step in range(1, 1001):
        latest = {"validation/psnr": float(step // 100)}
        correspondent.tell(Progress(SECOND, step, 1000, latest=latest))
    told = [letter[3] for letter in letters]
    assert len(told) < 100
    assert {each[0] for each in told if each} >= {1, *range(100, 1001, 100)}


# Trainings of several processes

TEAM = Execution(processes=2)
ALONE = replace(SECOND, inputs={})


def test_processes_begin_together_and_the_first_one_speaks(store: Store) -> None:
    cluster = Stand(well(store))
    outcome = run(cluster, store, [ALONE], TEAM)
    assert outcome.done == [ALONE.key]
    assert cluster.events == ["reserve 2", "join 0", "join 1", "end 1", "release"]
    assert [each.rank for each in cluster.errands] == [Rank(0, 2, "10.0.0.1", 4000), Rank(1, 2, "10.0.0.1", 4000)]


def test_a_lost_process_ends_the_others_and_all_begin_again(store: Store) -> None:
    lost = iter([Lost("the node died")])

    def answer(errand: Errand, inputs: Inputs) -> Answer | None:
        assert errand.rank is not None
        if errand.rank.number == 0:
            return None if len(cluster.errands) < 4 else well(store)(errand, inputs)  # it waits for the other
        return next(lost, None)

    cluster = Stand(answer)
    outcome = run(cluster, store, [ALONE], TEAM)
    assert outcome.done == [ALONE.key]
    again = ["reserve 2", "join 0", "join 1", "end 3", "release"]
    assert cluster.events == ["reserve 2", "join 0", "join 1", "end 0", "release", *again]


def test_processes_that_are_lost_time_and_again_are_given_up(store: Store) -> None:
    cluster = Stand(lambda *_: Lost("the node died"))
    outcome = run(cluster, store, [ALONE], TEAM)
    assert f"{TRIES} times (the node died)" in outcome.failed[ALONE.key]
    assert cluster.events.count("reserve 2") == cluster.events.count("release") == TRIES


def test_a_process_that_fails_fails_the_training(store: Store) -> None:
    def answer(errand: Errand, inputs: Inputs) -> Reply | None:
        return Reply(Attempt(failure="out of memory")) if errand.rank and errand.rank.number == 1 else None

    cluster = Stand(answer)
    assert run(cluster, store, [ALONE], TEAM).failed == {ALONE.key: "out of memory"}
    assert cluster.events[-2:] == ["end 0", "release"]


# Ends that were asked for


class Pruning(Unwatched):
    def progressed(self, progress: Progress) -> None:
        raise BenchError(f"pruned at {progress.done}")


def test_what_a_watcher_gives_up_is_cancelled_and_the_rest_goes_on(store: Store) -> None:
    def answer(errand: Errand, inputs: Inputs) -> Reply | None:
        if errand.job is not ALONE:
            return well(store)(errand, inputs)
        if not cluster.events:
            steps = [None, (3, 10, "", {}), (4, 10, "", {})]
            cluster.post += [(ALONE.key, number, "b", step) for number, step in enumerate(steps, start=1)]
        return None

    cluster = Stand(answer)
    outcome = StandExecutor(cluster).run((FIRST, ALONE), store, Execution(), Pruning())
    assert outcome.failed == {ALONE.key: "pruned at 3"}
    assert outcome.done == [FIRST.key]


def test_letters_that_are_late_are_waited_for(store: Store) -> None:
    """A sweep decides upon the last one, too."""
    late: list[Letter] = [(ALONE.key, 1, "b", None), (ALONE.key, 2, "b", (10, 10, "", {}))]

    class Slow(Stand):
        def letters(self) -> Sequence[Letter]:
            return [late.pop(0)] if late and self.errands and self._answers else []

    cluster = Slow(lambda errand, inputs: replace(well(store)(errand, inputs), letters=2))
    outcome = StandExecutor(cluster).run([ALONE], store, Execution(), Pruning())
    assert outcome.failed == {ALONE.key: "pruned at 10"}


def test_a_job_that_no_node_is_left_for_does_not_wait_for_ever(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shifts, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(shifts, "HOPE_SECONDS", 0.1)

    def answer(errand: Errand, inputs: Inputs) -> None:
        cluster.has = NODES[:1]
        time.sleep(0.01)

    cluster = Stand(answer)
    outcome = StandExecutor(cluster, Share(cpus=6)).run([ALONE], store, Execution(), Unwatched())
    assert "a job takes 6 CPU" in outcome.failed[ALONE.key]
    assert "(a: 4 CPU, 0 GPU)" in outcome.failed[ALONE.key]


def test_ctrl_c_cancels_everything_and_keeps_what_was_over(store: Store) -> None:
    def answer(errand: Errand, inputs: Inputs) -> Reply | None:
        if "cancel 0" in cluster.events or errand.job is FIRST:
            return None
        raise KeyboardInterrupt

    cluster = Stand(answer)
    with pytest.raises(KeyboardInterrupt):
        run(cluster, store, (FIRST, ALONE))
    assert cluster.events == ["cancel 0", "cancel 1"]


# Demands


def test_jobs_take_what_they_have_use_for() -> None:
    score = Job("score", "s", {}, {})
    time_taken = Job("measure", "m", {"device": {"type": "cuda"}}, {})
    share = Share(2.0)
    assert demand_of(SECOND, share, 1, NODES, True) == Demand(2.0, 1.0)
    assert demand_of(SECOND, share, 4, NODES, True) == Demand(2.0, 1.0, processes=4)
    assert demand_of(THIRD, share, 4, NODES, True) == Demand(2.0, 1.0)
    assert demand_of(score, share, 1, NODES, True) == Demand(2.0)
    assert demand_of(SECOND, share, 1, NODES[:1], True) == Demand(2.0)
    assert demand_of(SECOND, Share(0.5, 0.25), 1, NODES, True) == Demand(0.5, 0.25)
    assert demand_of(time_taken, share, 1, NODES, True) == Demand(gpus=1.0, here=True)
    assert demand_of(FIRST, share, 1, NODES, False) == Demand(here=True)


@pytest.mark.parametrize(
    ("demand", "possible"),
    [
        (Demand(8.0), True), (Demand(8.5), False), (Demand(4.0, 2.0), True), (Demand(1.0, 3.0), False),
        (Demand(0.0, 1.0, here=True), False), (Demand(here=True), True), (Demand(2.0, 0.0, 6), True),
        (Demand(2.0, 0.0, 7), False), (Demand(0.1, 0.5, 4), True), (Demand(0.1, 0.5, 5), False),
    ],
)  # fmt: skip
def test_what_no_nodes_can_give_is_known_before(demand: Demand, possible: bool) -> None:
    assert (why_impossible(demand, NODES) is None) == possible


def test_impossible_demands_are_refused_before_anything_runs(store: Store) -> None:
    cluster = Stand(well(store))
    with pytest.raises(
        BenchError, match=r"a stand-in: a job takes 64 CPU, and the nodes of the cluster have less \(a: 4"
    ):
        StandExecutor(cluster, Share(64)).run([FIRST], store, Execution(), Unwatched())
    assert cluster.errands == []
    with pytest.raises(BenchError, match="a part of one GPU"):
        Share(1.0, 1.5).check()
    with pytest.raises(BenchError, match="each of the 2 processes of a training needs a whole GPU"):
        StandExecutor(cluster, Share(1.0, 0.5)).run([ALONE], store, Execution(processes=2), Unwatched())


def test_parcels_are_the_store_s_archives(store: Store, tmp_path: Path) -> None:
    finish(FIRST, store)
    parcel = pack(FIRST.key, store)
    assert parcel.dtype == np.uint8
    (store.path(FIRST.key) / RECORD).write_bytes(b"{}")
    with pytest.raises(StoreError, match="gone or damaged"):
        pack(FIRST.key, store)


# Options


@pytest.mark.parametrize(
    ("engine", "message"),
    [
        (Engine("ray", workers=2), "--workers: with --engine ray, as many jobs run at once as there is room for"),
        (Engine(address="auto"), "--address: is for --engine ray"),
        (Engine(job_gpus=0.5), "--job-gpus: is for --engine ray"),
        (Engine("ray", job_gpus=1.5), "--job-gpus 1.5: a part of one GPU"),
    ],
)
def test_options_of_another_engine_are_refused(engine: Engine, message: str) -> None:
    with pytest.raises(BenchError, match=message), open_executor(engine, print):
        pass


def test_a_missing_ray_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(BenchError, match=r'pip install "ugpnet-bench\[ray\]"'), open_executor(Engine("ray"), print):
        pass
