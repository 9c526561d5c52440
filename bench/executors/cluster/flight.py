"""A job that is on the cluster, from its first task to the reply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from bench.executors.attempt import Attempt
from bench.executors.cluster.base import Cluster, Ended, Handle, Lost, Room
from bench.executors.cluster.demand import Demand
from bench.executors.cluster.errand import Errand, Inputs, Rank, Reply

TRIES = 4
"""Of a job whose node or process dies: as often as Ray tries a task unless told otherwise."""


class Flight(Protocol):
    """What the cluster does for one job."""

    demand: Demand

    def awaited(self) -> Sequence[Handle]:
        """What is to be heard next; nothing once the reply was."""

    def hear(self, handle: Handle) -> Reply | None:
        """The reply that ends the flight, once `handle`, one of those awaited, is there; None where there is more to come."""

    def cancel(self) -> None:
        """Ask for its end. There is a reply, then, too."""


class Solo:
    """One task, which the cluster itself tries again where its node dies."""

    def __init__(self, cluster: Cluster, errand: Errand, inputs: Inputs, demand: Demand) -> None:
        self.demand = demand
        self._cluster = cluster
        self._errand = errand
        self._task = cluster.submit(errand, inputs, demand)
        self._over = False

    def awaited(self) -> Sequence[Handle]:
        return [] if self._over else [self._task]

    def hear(self, handle: Handle) -> Reply:
        self._over = True
        try:
            return _reply(self._cluster, self._errand, handle)
        except Lost as lost:
            return _given_up(self._errand, lost)

    def cancel(self) -> None:
        self._cluster.cancel(self._task)


class Team:
    """The processes of one training, each on its own place of a room that is reserved for all of them at once.

    They live and die together: where one is lost, all begin again, from the last checkpoint if its folder is shared. What the
    first of them replies is the reply.
    """

    def __init__(self, cluster: Cluster, errand: Errand, inputs: Inputs, demand: Demand) -> None:
        self.demand = demand
        self._cluster = cluster
        self._errand = errand
        self._inputs = inputs
        self._left = TRIES - 1
        self._cancelled = False
        self._gather()

    def awaited(self) -> Sequence[Handle]:
        return [rank for rank in self._ranks if rank not in self._over] if self._ranks else [self._room.address]

    def hear(self, handle: Handle) -> Reply | None:
        try:
            if not self._ranks:
                return self._set_out()
            self._over.add(handle)
            reply = _reply(self._cluster, self._errand, handle)
        except Lost as lost:
            return self._try_again(lost)
        first = handle == self._ranks[0]
        if not first and (self._cancelled or reply.tried.failure is None):
            return None  # the first one is still to write what they made
        self._disband()
        return reply

    def cancel(self) -> None:
        self._cancelled = True
        for task in self._ranks or [self._room.address]:
            self._cluster.cancel(task)

    def _gather(self) -> None:
        self._ranks: list[Handle] = []
        self._over: set[Handle] = set()
        self._room: Room = self._cluster.reserve(self.demand)

    def _set_out(self) -> Reply | None:
        """There is room: every process begins, and is told where the first one is."""
        if self._cancelled:
            self._disband()
            return _failed(self._errand, "cancelled")
        address, port = self._cluster.meeting(self._room)
        size = self.demand.processes
        errands = [replace(self._errand, rank=Rank(number, size, address, port)) for number in range(size)]
        self._ranks = [self._cluster.join(errand, self._inputs, self.demand, self._room) for errand in errands]
        return None

    def _try_again(self, lost: Lost) -> Reply | None:
        self._disband()
        if self._cancelled or not self._left:
            return _given_up(self._errand, lost)
        self._left -= 1
        self._gather()
        return None

    def _disband(self) -> None:
        """Processes that wait for one that is gone would wait for ever."""
        for task in self.awaited():
            self._cluster.cancel(task, force=bool(self._ranks))
        self._over.update(self._ranks)
        self._cluster.release(self._room)


def _reply(cluster: Cluster, errand: Errand, handle: Handle) -> Reply:
    """Raises Lost."""
    try:
        return cluster.reply(handle)
    except Ended as ended:
        return _failed(errand, str(ended))


def _given_up(errand: Errand, lost: Lost) -> Reply:
    goes_on = "goes on from its last checkpoint" if errand.job.kind == "train" else "does it again"
    return _failed(errand, f"lost with its node or process, {TRIES} times ({lost}); the same command {goes_on}")


def _failed(errand: Errand, why: str) -> Reply:
    return Reply(Attempt(failure=f"{errand.job.label}: {why}"))
