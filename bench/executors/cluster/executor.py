"""The executor of clusters: it looks at the nodes, sees whether they can do what is asked, and begins the shift."""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bench.errors import BenchError
from bench.executors.base import Outcome, Watcher, pending
from bench.executors.cluster.base import Cluster
from bench.executors.cluster.demand import Share, demand_of, why_impossible
from bench.executors.cluster.folder import marked
from bench.executors.cluster.shift import ClusterShift, Terms
from bench.job import Job
from bench.store import Store

if TYPE_CHECKING:
    from bench.train.execution import Execution


class ClusterExecutor(ABC):
    """Hands every job over as soon as its inputs are there, with its `share` of a node. Connects when there is work.

    A job whose node or process dies is tried again elsewhere; one that fails is not. `say` is told where jobs run.
    """

    def __init__(self, share: Share, say: Callable[[str], None]) -> None:
        self.share = share
        self.say = say
        self._cluster: Cluster | None = None
        self._said = ""

    @property
    @abstractmethod
    def name(self) -> str:
        """Of the cluster, for the terminal."""

    @abstractmethod
    def connect(self) -> Cluster:
        """Raises BenchError where the cluster cannot be reached."""

    def run(self, jobs: Sequence[Job], store: Store, execution: Execution, watcher: Watcher) -> Outcome:
        """Raises BenchError where the cluster cannot be reached, or has no node for these jobs."""
        left = pending(jobs, store)
        outcome = Outcome(cached=[job.key for job in jobs if job.key not in left])
        if left:
            self._work(list(left.values()), store, execution, watcher, outcome)
        return outcome

    def close(self) -> None:
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _work(
        self, jobs: Sequence[Job], store: Store, execution: Execution, watcher: Watcher, outcome: Outcome
    ) -> None:
        cluster = self._cluster = self._cluster or self.connect()
        with marked(store) as folder:
            seen = cluster.look(folder)
            shared = all(seen.values())
            self._check(cluster, jobs, execution.processes, shared)
            self._say_where(cluster, sum(not sees for sees in seen.values()))
            terms = Terms(execution, self.share, folder, shared, own_paths())
            ClusterShift(cluster, terms, store, watcher, outcome, self.say).run(jobs)
            if not shared:
                cluster.clear(folder)

    def _check(self, cluster: Cluster, jobs: Sequence[Job], processes: int, shared: bool) -> None:
        self.share.check(processes)
        nodes = cluster.nodes()
        for demand in {demand_of(job, self.share, processes, nodes, shared) for job in jobs}:
            if (problem := why_impossible(demand, nodes)) is not None:
                raise BenchError(f"{self.name}: {problem}")

    def _say_where(self, cluster: Cluster, without: int) -> None:
        """`on Ray at 10.0.0.1:6379: 2 nodes, 16 CPU, 2 GPU; results folder shared`, unless that is known."""
        nodes = cluster.nodes()
        sums = f"{sum(node.cpus for node in nodes):g} CPU, {sum(node.gpus for node in nodes):g} GPU"
        count = "1 node" if len(nodes) == 1 else f"{len(nodes)} nodes"
        folder = (
            f"{without} of them without the results folder, results are sent" if without else "results folder shared"
        )
        line = f"on {self.name}: {count}, {sums}; {folder}"
        if line != self._said:
            self.say(line)
        self._said = line


def own_paths() -> tuple[str, ...]:
    """Where this process finds modules that are not installed: a checkout, a lab's own methods in the current folder."""
    installed = (sys.prefix, sys.base_prefix)
    paths = dict.fromkeys(os.path.abspath(path) for path in sys.path)
    return tuple(path for path in paths if os.path.isdir(path) and not path.startswith(installed))
