"""What is asked of a library that schedules tasks on a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from bench.executors.cluster.demand import Demand, Node
from bench.executors.cluster.errand import Errand, Inputs, Letter, Parcel, Reply
from bench.executors.cluster.folder import Folder

Handle: TypeAlias = Any
"""Of something that will be there: the library's own, hashable."""


class Lost(Exception):
    """A task whose node or process died, the last time that it was tried."""


class Ended(Exception):
    """A task that was cancelled, or could not even begin: why."""


@dataclass(frozen=True)
class Room:
    """Places for the processes of one training, reserved together: the library's own `place`, and the handle of where they
    meet (address, port), which is there as soon as they are."""

    place: Any
    address: Handle


class Cluster(Protocol):
    """Queues tasks, runs each where there is room, and again where its node died."""

    def nodes(self) -> Sequence[Node]:
        """Those that live."""

    def look(self, folder: Folder) -> Mapping[str, bool]:
        """By node, whether it sees the results folder, of those that answer. Raises BenchError where ours is not installed."""

    def clear(self, folder: Folder) -> None:
        """Remove what nodes made in place of the results folder."""

    def send(self, parcel: Parcel) -> Handle:
        """Make the parcel available to all nodes."""

    def submit(self, errand: Errand, inputs: Inputs, demand: Demand) -> Handle:
        """Queue the errand; it is tried again when its node dies."""

    def join(self, errand: Errand, inputs: Inputs, demand: Demand, room: Room) -> Handle:
        """Begin one process of a training in its place of the room; when it dies, it is not tried again."""

    def reserve(self, demand: Demand) -> Room: ...

    def release(self, room: Room) -> None: ...

    def wait(self, handles: Sequence[Handle], seconds: float) -> Sequence[Handle]:
        """Those that are there, as soon as one is, or none in that time."""

    def reply(self, handle: Handle) -> Reply:
        """Of a task that is over. Raises Lost or Ended."""

    def meeting(self, room: Room) -> tuple[str, int]:
        """Address and port. Raises Lost, also where it was cancelled."""

    def cancel(self, handle: Handle, force: bool = False) -> None:
        """Ask the task to stop, which a training does when its step is saved; with `force`, end its process."""

    def letters(self) -> Iterable[Letter]:
        """What has arrived since the last time, in order."""

    def close(self) -> None:
        """End the connection, and what is still under way."""
