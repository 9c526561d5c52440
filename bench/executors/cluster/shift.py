"""One run on a cluster: every job is handed over as soon as its inputs are there, and what comes back is filed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import StoreError
from bench.execute import Progress
from bench.executors.attempt import Attempt
from bench.executors.base import ALONE, Outcome, Watcher
from bench.executors.cluster.base import Cluster, Handle
from bench.executors.cluster.demand import Share, demand_of, why_impossible
from bench.executors.cluster.errand import Errand, Letter, Reply
from bench.executors.cluster.flight import Flight, Solo, Team
from bench.executors.cluster.folder import Folder
from bench.executors.cluster.parcel import pack, unpack
from bench.executors.shift import POLL_SECONDS, Shift
from bench.failure import trace_file
from bench.job import Job
from bench.store import Store, write_atomically

if TYPE_CHECKING:
    from bench.train.execution import Execution

LETTER_SECONDS = 5.0
"""That the last letters of a job may take longer than its reply."""

LOOK_SECONDS = 10.0
"""Between two looks at which nodes live."""

HOPE_SECONDS = 60.0
"""That a job waits for a node large enough for it to come back."""

VISIBLE_SECONDS = 90.0
"""After which a result has appeared here that another machine wrote: longer than NFS keeps a folder's listing."""


@dataclass(frozen=True)
class Terms:
    """How this run's jobs are done: `shared`, whether every node sees the results folder."""

    execution: Execution
    share: Share
    folder: Folder
    shared: bool
    paths: tuple[str, ...]


@dataclass
class _Abroad:
    """A job on the cluster. `begun`: when its work began; `ended`: why we ended it, if we did; `read`: its letters so far;
    `hopeless`: since when no node could do it."""

    job: Job
    flight: Flight
    begun: float | None = None
    ended: str | None = None
    read: int = 0
    hopeless: float | None = None


class ClusterShift(Shift):
    def __init__(
        self, cluster: Cluster, terms: Terms, store: Store, watcher: Watcher, outcome: Outcome, say: Callable[[str], None]
    ) -> None:  # fmt: skip
        super().__init__(store, watcher, outcome)
        self.cluster = cluster
        self.terms = terms
        self.say = say
        self.nodes = cluster.nodes()
        self.looked = time.monotonic()
        self.ships = not terms.shared
        self.abroad: dict[str, _Abroad] = {}
        self.parcels: dict[str, Handle] = {}
        self.uses: Counter[str] = Counter()
        """By key of a result, the jobs that need it and are not over: its parcel is kept that long."""

    def run(self, jobs: Sequence[Job]) -> Outcome:
        self.uses.update(key for job in jobs for key in job.inputs.values())
        return super().run(jobs)

    def under_way(self) -> Collection[Job]:
        return [abroad.job for abroad in self.abroad.values()]

    def has_room(self) -> bool:
        return True  # what waits does so in the cluster's own queue

    def start(self, job: Job) -> None:
        terms = self.terms
        try:
            inputs = {key: self._parcel(key) for key in job.inputs.values()} if self.ships else {}
        except StoreError as error:
            self.watcher.started(job)
            self.conclude(job, Attempt(failure=f"{job.label}: {error}"), 0.0)
            return
        demand = demand_of(job, terms.share, terms.execution.processes, self.nodes, not self.ships)
        threads = job.identity.get("device", {}).get("threads") if job.kind in ALONE else None
        errand = Errand(
            job, terms.execution, terms.folder, threads or terms.share.threads, demand.gpus > 0, terms.paths
        )
        kind = Solo if demand.processes == 1 else Team
        self.abroad[job.key] = _Abroad(job, kind(self.cluster, errand, inputs, demand))

    def listen(self) -> None:
        for abroad, reply in self._replies():
            self._land(abroad, reply)
        self._look_around()

    def stop(self) -> None:
        for abroad in self.abroad.values():
            abroad.flight.cancel()
        while self.abroad:
            for abroad, reply in self._replies():
                self._filed(abroad.job, reply)  # it may have been over a moment before
                del self.abroad[abroad.job.key]

    def _replies(self) -> Iterator[tuple[_Abroad, Reply]]:
        """The jobs that are over, as soon as one is or a moment has gone by, each when all its letters were read."""
        awaited = {handle: abroad for abroad in self.abroad.values() for handle in abroad.flight.awaited()}
        there = self.cluster.wait(list(awaited), POLL_SECONDS)
        self._read_letters()
        for handle in there:
            abroad = awaited[handle]
            if handle in abroad.flight.awaited() and (reply := abroad.flight.hear(handle)) is not None:
                self._read_all_of(abroad, reply)
                yield abroad, reply

    def _read_all_of(self, abroad: _Abroad, reply: Reply) -> None:
        deadline = time.monotonic() + LETTER_SECONDS
        while abroad.read < reply.letters and time.monotonic() < deadline:
            time.sleep(0.01)
            self._read_letters()

    def _read_letters(self) -> None:
        for letter in self.cluster.letters():
            if (abroad := self.abroad.get(letter[0])) is not None:
                self._read(abroad, letter)

    def _parcel(self, key: str) -> Handle:
        if key not in self.parcels:
            self.parcels[key] = self.cluster.send(pack(key, self.store))
        return self.parcels[key]

    def _read(self, abroad: _Abroad, letter: Letter) -> None:
        _, abroad.read, node, news = letter
        if abroad.ended is not None:
            return
        if news is not None:
            abroad.ended = self.pass_on(Progress(abroad.job, *news))
            if abroad.ended is not None:
                abroad.flight.cancel()
        elif abroad.begun is None:
            self._began(abroad)
        else:
            self.say(f"{abroad.job.label}: was lost with its node or process, begun again on {node}")

    def _began(self, abroad: _Abroad) -> None:
        if abroad.begun is None:
            abroad.begun = time.monotonic()
            self.watcher.started(abroad.job)

    def _land(self, abroad: _Abroad, reply: Reply) -> None:
        del self.abroad[abroad.job.key]
        if reply.lacking:  # on a node that came later than the run began
            self.ships = True
            self.start(abroad.job)
            return
        self._began(abroad)
        tried = Attempt(failure=abroad.ended) if abroad.ended else self._filed(abroad.job, reply)
        self.conclude(abroad.job, tried, time.monotonic() - (abroad.begun or 0.0))
        for key in abroad.job.inputs.values():
            self.uses[key] -= 1
            if not self.uses[key]:
                self.parcels.pop(key, None)

    def _filed(self, job: Job, reply: Reply) -> Attempt:
        """How it went, once what the reply holds is where it belongs."""
        try:
            if reply.trace is not None:
                write_atomically(trace_file(self.store, job.key), reply.trace.encode())
            if reply.tried.failure is not None:
                return reply.tried
            if reply.parcel is not None:
                unpack(reply.parcel, job.key, self.store)
                return Attempt(worked=True)
        except StoreError as error:
            return Attempt(failure=f"{job.label}: {error}")
        return reply.tried if self._appears(job.key) else Attempt(failure=_unseen(job, self.store))

    def _appears(self, key: str) -> bool:
        deadline = time.monotonic() + VISIBLE_SECONDS
        while not self.store.has(key):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)
        return True

    def _look_around(self) -> None:
        """Nodes come and go: what no node that is left can do would wait for ever."""
        now = time.monotonic()
        if now - self.looked < LOOK_SECONDS:
            return
        self.looked, self.nodes = now, self.cluster.nodes()
        for abroad in self.abroad.values():
            problem = why_impossible(abroad.flight.demand, self.nodes)
            abroad.hopeless = None if problem is None else (abroad.hopeless or now)
            if problem is not None and now - (abroad.hopeless or now) >= HOPE_SECONDS and abroad.ended is None:
                abroad.ended = f"{abroad.job.label}: {problem}; the same command goes on from here"
                abroad.flight.cancel()


def _unseen(job: Job, store: Store) -> str:
    return f"{job.label}: a node wrote its result, which does not appear in {store.folder}; is it the same file system?"
