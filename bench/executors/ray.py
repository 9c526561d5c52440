"""Jobs as tasks of Ray (https://docs.ray.io), on this machine or on a cluster. The one file that imports it."""

from __future__ import annotations

import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayError, RayTaskError, TaskCancelledError
from ray.util.placement_group import placement_group, remove_placement_group
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy, PlacementGroupSchedulingStrategy

from bench.errors import BenchError
from bench.executors.cluster.base import Cluster, Ended, Handle, Lost, Room
from bench.executors.cluster.demand import Demand, Node, Share
from bench.executors.cluster.errand import Errand, Inputs, Letter, Parcel, Reply
from bench.executors.cluster.executor import ClusterExecutor
from bench.executors.cluster.flight import TRIES
from bench.executors.cluster.folder import Folder, our_version
from bench.executors.cluster.node import perform

LOCAL = "local"
"""Ray's word for a cluster of this machine alone, which lives as long as this process."""

OBJECTS = 256 * 2**20
"""Bytes of shared memory that such a cluster may take: on one machine, results travel through the results folder."""

ANSWER_SECONDS = 60.0
"""In which a node says whether it sees the results folder; the first time, it starts a process for that."""

REACH_SECONDS = 10.0
"""In which a cluster's address answers. Ray itself would try for minutes."""


class RayExecutor(ClusterExecutor):
    """On the cluster at `address`, else at that of RAY_ADDRESS, else on a Ray of this machine that is started for it."""

    def __init__(self, address: str | None, share: Share, say: Callable[[str], None]) -> None:
        super().__init__(share, say)
        self.address = address or os.environ.get("RAY_ADDRESS") or LOCAL

    @property
    def name(self) -> str:
        return "Ray, this machine" if self.address == LOCAL else f"Ray at {self.address}"

    def connect(self) -> Cluster:
        return RayCluster(self.address)


class RayCluster:
    """A connection to Ray: this process's, or a new one, which ends when this does."""

    def __init__(self, address: str) -> None:
        self._ours = not ray.is_initialized()
        if self._ours:
            connect(address)
        self._here = ray.get_runtime_context().get_node_id()
        self._letters = _open_mailbox(self._here)

    def close(self) -> None:
        ray.kill(self._letters)
        if self._ours:
            ray.shutdown()

    def nodes(self) -> Sequence[Node]:
        living = [each for each in ray.nodes() if each["Alive"]]
        return [_node(each, self._here) for each in living]

    def look(self, folder: Folder) -> Mapping[str, bool]:
        nodes = self.nodes()
        looks = [_look.options(scheduling_strategy=_on(node.id)).remote(folder) for node in nodes]
        answers = {node.id: _answer(node, look) for node, look in zip(nodes, looks, strict=True)}
        return {node: sees for node, sees in answers.items() if sees is not None}

    def clear(self, folder: Folder) -> None:
        tasks = [_clear.options(scheduling_strategy=_on(node.id)).remote(folder) for node in self.nodes()]
        ray.wait(tasks, num_returns=len(tasks), timeout=ANSWER_SECONDS)

    def send(self, parcel: Parcel) -> Handle:
        return ray.put(parcel)

    def submit(self, errand: Errand, inputs: Inputs, demand: Demand) -> Handle:
        place = _on(self._here) if demand.here else "DEFAULT"
        return self._begin(errand, inputs, demand, place, TRIES - 1)

    def join(self, errand: Errand, inputs: Inputs, demand: Demand, room: Room) -> Handle:
        assert errand.rank is not None
        place = _in(room.place, errand.rank.number)
        return self._begin(errand, inputs, demand, place, 0)

    def _begin(self, errand: Errand, inputs: Inputs, demand: Demand, place: object, retries: int) -> Handle:
        """A process that had a GPU, or a process group, is not used again: it would keep both."""
        task = (_do_and_leave if demand.gpus or errand.rank else _do).options(
            num_cpus=demand.cpus, num_gpus=demand.gpus, max_retries=retries, scheduling_strategy=place,
            name=errand.job.label,
        )  # fmt: skip
        return task.remote(errand, self._letters, [*inputs], *inputs.values())

    def reserve(self, demand: Demand) -> Room:
        bundle = {name: amount for name, amount in (("CPU", demand.cpus), ("GPU", demand.gpus)) if amount}
        group = placement_group([dict(bundle) for _ in range(demand.processes)], strategy="PACK")
        return Room(group, _meet.options(scheduling_strategy=_in(group, 0)).remote())

    def release(self, room: Room) -> None:
        remove_placement_group(room.place)

    def wait(self, handles: Sequence[Handle], seconds: float) -> Sequence[Handle]:
        if not handles:
            return []
        ray.wait([*handles], num_returns=1, timeout=seconds, fetch_local=False)
        there, _ = ray.wait([*handles], num_returns=len(handles), timeout=0, fetch_local=False)
        return list(there)

    def reply(self, handle: Handle) -> Reply:
        try:
            reply: Any = ray.get(handle)
        except TaskCancelledError:
            raise Ended("cancelled") from None
        except RayTaskError as error:  # not of the job, whose faults are replies
            raise Ended(_first_line(error.cause)) from None
        except RayError as error:
            raise Lost(_first_line(error)) from None
        assert isinstance(reply, Reply)
        return reply

    def meeting(self, room: Room) -> tuple[str, int]:
        try:
            address, port = ray.get(room.address)
        except RayError as error:
            raise Lost(_first_line(error)) from None
        return address, port

    def cancel(self, handle: Handle, force: bool = False) -> None:
        ray.cancel(handle, force=force, recursive=False)  # the letters that it writes are tasks of its own

    def letters(self) -> Sequence[Letter]:
        taken: Any = ray.get(self._letters.take.remote())
        return list(taken)


def connect(address: str) -> None:
    """Raises BenchError where the cluster cannot be reached. The signals are still ours afterwards."""
    if "://" in address:
        raise BenchError(
            f"--address {address}: start bench on a node of the cluster, with its address as host:port, or auto"
        )
    host, _, port = address.rpartition(":")
    quietly: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "namespace": "ugpnet-bench"}
    if address == LOCAL:
        quietly |= {"include_dashboard": False, "object_store_memory": OBJECTS, "num_cpus": _processors()}
    try:
        if port.isdigit():
            socket.create_connection((host, int(port)), REACH_SECONDS).close()
        with _own_signals():
            ray.init(address=address, **quietly)
    except Exception as error:  # Ray has many kinds for this
        advice = "`ray start --head` on one node says the address of a new cluster"
        raise BenchError(
            f"--address {address}: no Ray cluster can be reached there ({_first_line(error)}); {advice}"
        ) from None


def _processors() -> int:
    """Those that this process may use, of which a scheduler may have left it a few."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def _own_signals() -> Iterator[None]:
    """Ray takes SIGTERM for itself."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        with suppress(ValueError):  # outside of the main thread, which alone hears signals
            signal.signal(signal.SIGTERM, before)


def _open_mailbox(node: str) -> Any:
    """Where letters wait until they are read. A class of this function is sent as it is: nothing of ours is imported for it."""

    class Mailbox:
        def __init__(self) -> None:
            self.letters: list[Letter] = []

        def put(self, letter: Letter) -> None:
            self.letters.append(letter)

        def take(self) -> list[Letter]:
            taken, self.letters = self.letters, []
            return taken

    return ray.remote(Mailbox).options(num_cpus=0, scheduling_strategy=_on(node)).remote()


def _node(described: Mapping[str, Any], here: str) -> Node:
    name = f"{described['NodeManagerHostname']} ({described['NodeManagerAddress']})"
    has = described["Resources"]
    return Node(described["NodeID"], name, has.get("CPU", 0.0), has.get("GPU", 0.0), described["NodeID"] == here)


def _on(node: str) -> NodeAffinitySchedulingStrategy:
    return NodeAffinitySchedulingStrategy(node, soft=False)


def _in(group: Any, bundle: int) -> PlacementGroupSchedulingStrategy:
    return PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=bundle)


def _answer(node: Node, look: Any) -> bool | None:
    """Whether the node sees the folder; None where it does not say, as it has gone."""
    try:
        sees, theirs = ray.get(look, timeout=ANSWER_SECONDS)
    except RayTaskError as error:
        raise BenchError(f"{node.name}: {_first_line(error.cause)}; {_needs()}") from None
    except (GetTimeoutError, RayError):
        return None
    if theirs != our_version():
        raise BenchError(f"{node.name} has ugpnet-bench {theirs}; {_needs()}")
    return bool(sees)


def _needs() -> str:
    return f"every node needs the ugpnet-bench of this one, {our_version()}"


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


# What runs on nodes


def _perform(errand: Errand, letters: Any, keys: Sequence[str], *parcels: Parcel) -> Reply:
    """Ray brings the parcels before it begins. Nothing is waited for here: who waits in a task gives its processor away."""

    def post(letter: Letter) -> None:
        letters.put.options(num_returns=0).remote(letter)

    return perform(errand, dict(zip(keys, parcels, strict=True)), post)


_do = ray.remote(_perform)
_do_and_leave = ray.remote(max_calls=1)(_perform)


@ray.remote(num_cpus=0)
def _look(folder: Folder) -> tuple[bool, str]:
    return folder.is_here(), our_version()


@ray.remote(num_cpus=0)
def _clear(folder: Folder) -> None:
    folder.clear_scratch()


@ray.remote(num_cpus=0, max_retries=0)
def _meet() -> tuple[str, int]:
    """Where the processes of a training meet: this node, at a port that is free."""
    with socket.socket() as free:
        free.bind(("", 0))
        return ray.util.get_node_ip_address(), free.getsockname()[1]
