"""Jobs: plain data with a content key. Light: no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, TypeAlias

BATCH_PARTS = "batch_parts"
"""In the record of a training, in how many parts its batches were gone through for want of memory, if in more than one."""

Kind: TypeAlias = Literal["pairs", "train", "load", "restore", "score", "measure"]


@dataclass(frozen=True)
class Job:
    """One node of the graph.

    `identity` is what can change the result and is hashed, with the keys of `inputs`, into `key`; `spec` is what
    `run_job` needs to do the work and may hold paths and labels. `units` counts the work: iterations or images.
    """

    kind: Kind
    label: str
    identity: Mapping[str, Any]
    spec: Mapping[str, Any] = field(compare=False)
    inputs: Mapping[str, str] = field(default_factory=dict)
    units: int = field(default=0, compare=False)

    @cached_property
    def key(self) -> str:
        """See `content_key`. Computed once: a large plan asks for it millions of times."""
        return content_key(self.kind, self.identity, self.inputs)


def content_key(kind: str, identity: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """sha256 over kind, identity and input keys, as 20 hexadecimal digits."""
    content = {"kind": kind, "identity": identity, "inputs": dict(inputs)}
    return hashlib.sha256(canonical(content).encode()).hexdigest()[:20]


def canonical(content: Any) -> str:
    """JSON with sorted keys and no spaces: equal data, equal text, whatever the order or Python's hash seed."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """The jobs once each, inputs before users, otherwise in the given order. Raises ValueError on a missing input."""
    by_key = {job.key: job for job in jobs}
    done: dict[str, Job] = {}

    def visit(job: Job) -> None:
        if job.key in done:
            return
        for key in job.inputs.values():
            if key not in by_key:
                raise ValueError(f"{job.label} needs {key}, which no job makes")
            visit(by_key[key])
        done[job.key] = job

    for job in by_key.values():
        visit(job)
    return list(done.values())
