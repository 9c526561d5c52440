"""What a job takes of a cluster's nodes, and whether they can ever give it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bench.errors import BenchError
from bench.executors.base import ALONE
from bench.job import Job

ON_GPU = frozenset({"train", "restore"})
"""Kinds of jobs that compute on a GPU where there is one; metrics are computed on processors."""


@dataclass(frozen=True)
class Node:
    """A node that lives, with all that it has, taken or not. `here`: who began the run is on it."""

    id: str
    name: str
    cpus: float
    gpus: float
    here: bool = False


@dataclass(frozen=True)
class Share:
    """What the user lets each job take; `gpus` None: one where a job has use for it and the cluster has any."""

    cpus: float = 1.0
    gpus: float | None = None

    def check(self, processes: int = 1) -> None:
        """Raises BenchError for what no scheduler can hand out, or no training of so many processes uses."""
        if self.gpus is None or self.gpus == int(self.gpus):
            return
        if self.gpus > 1:
            raise BenchError(f"--job-gpus {self.gpus:g}: a part of one GPU (0.5), or whole ones (2)")
        if processes > 1:
            raise BenchError(
                f"--job-gpus {self.gpus:g}: each of the {processes} processes of a training needs a whole GPU"
            )

    @property
    def threads(self) -> int:
        """Of torch, in a job. A part of a processor is one thread's, too."""
        return max(1, int(self.cpus))


@dataclass(frozen=True)
class Demand:
    """What each of a job's `processes` takes of one node, which is that of who began the run if it has to be `here`."""

    cpus: float = 0.0
    gpus: float = 0.0
    processes: int = 1
    here: bool = False

    def __str__(self) -> str:
        each = f"{self.cpus:g} CPU" + (f" and {self.gpus:g} GPU" if self.gpus else "")
        return each if self.processes == 1 else f"{self.processes} times {each}"


def demand_of(job: Job, share: Share, processes: int, nodes: Sequence[Node], shared: bool) -> Demand:
    """A time is taken where its key says, on the machine that made the plan. A file of weights is read where it was named,
    unless the nodes have a folder (`shared`), and so probably files, in common."""
    if job.kind in ALONE:
        return Demand(gpus=1.0 if job.identity.get("device", {}).get("type") == "cuda" else 0.0, here=True)
    if job.kind == "load" and not shared:
        return Demand(here=True)
    gpus = share.gpus if share.gpus is not None else float(any(node.gpus >= 1 for node in nodes))
    return Demand(share.cpus, gpus if job.kind in ON_GPU else 0.0, processes if job.kind == "train" else 1)


def why_impossible(demand: Demand, nodes: Sequence[Node]) -> str | None:
    """Why these nodes, with nothing else to do, cannot give it; None if they can."""
    candidates = [node for node in nodes if node.here or not demand.here]
    if sum(_times(demand, node) for node in candidates) >= demand.processes:
        return None
    have = "; ".join(f"{node.name}: {node.cpus:g} CPU, {node.gpus:g} GPU" for node in candidates) or "none"
    where = "this machine's node has" if demand.here else "the nodes of the cluster have"
    return f"a job takes {demand}, and {where} less ({have}); lower --job-cpus or --job-gpus, or start larger nodes"


def _times(demand: Demand, node: Node) -> int:
    """How many such processes the node has room for, up to those that are wanted."""
    rooms = [int(has / takes + 1e-9) for has, takes in ((node.cpus, demand.cpus), (node.gpus, demand.gpus)) if takes]
    return min([demand.processes, *rooms])
