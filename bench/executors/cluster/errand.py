"""What travels between the driver, which began the run, and the nodes of a cluster."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from bench.executors.attempt import Attempt
from bench.executors.cluster.folder import Folder
from bench.job import Job

if TYPE_CHECKING:
    from bench.train.execution import Execution

Parcel: TypeAlias = NDArray[np.uint8]
"""An archive of results (`bench.storekeeping.archive.pack_results`), as an array, which clusters pass on without copies."""

Letter: TypeAlias = tuple[str, int, str, tuple[int, int, str, dict[str, float]] | None]
"""A job's key, the how manyeth letter of it this is, the node that it is on, and how far it is (done, total, text, latest);
None when it begins.

Plain data: whoever only passes it on needs none of our modules.
"""


@dataclass(frozen=True)
class Rank:
    """One of the `size` processes of a training, which meet at `address` and `port`."""

    number: int
    size: int
    address: str
    port: int

    def environment(self) -> dict[str, str]:
        """What torch's `init_process_group` and accelerate read. Each process sees its own GPU alone: it is the first there."""
        return {
            "RANK": str(self.number), "WORLD_SIZE": str(self.size), "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1",
            "MASTER_ADDR": self.address, "MASTER_PORT": str(self.port),
        }  # fmt: skip


@dataclass(frozen=True)
class Errand:
    """A job and how it is to be done: with so many `threads`, with or without `gpu`; modules that are not installed lie in
    `paths`, where a node has them."""

    job: Job
    execution: Execution
    folder: Folder
    threads: int = 1
    gpu: bool = False
    paths: tuple[str, ...] = ()
    rank: Rank | None = None


@dataclass(frozen=True)
class Reply:
    """How an errand went. The result is the `parcel` where the node has no results folder to put it; `trace` is what belongs
    in the store beside a failure. `lacking`: it failed as the node has neither that folder nor was sent the inputs. So many
    `letters` were written before."""

    tried: Attempt
    parcel: Parcel | None = None
    trace: str | None = None
    lacking: bool = False
    letters: int = 0


Inputs: TypeAlias = Mapping[str, Any]
"""By key of a result, what the cluster will make its parcel of on the node."""
