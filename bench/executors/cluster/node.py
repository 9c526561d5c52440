"""What a node does with an errand."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from bench.errors import BenchError
from bench.executors.attempt import Attempt, attempt
from bench.executors.cluster.errand import Errand, Letter, Parcel, Reply
from bench.executors.cluster.letters import Correspondent
from bench.executors.cluster.parcel import pack, unpack
from bench.executors.team import follow, leading
from bench.failure import trace_file
from bench.job import Job
from bench.store import Store


def perform(errand: Errand, inputs: Mapping[str, Parcel], post: Callable[[Letter], None]) -> Reply:
    """Do the job, whose result is then in the results folder, or is the reply's parcel.

    A request to stop passes, KeyboardInterrupt, after a training has saved its step.
    """
    _settle_in(errand)
    job, folder = errand.job, errand.folder
    correspondent = Correspondent(job, post)
    try:
        store = folder.open_store()
        away = store.root != folder.root
        missing = [key for key in job.inputs.values() if away and not store.has(key)]
        if not inputs.keys() >= set(missing):
            return Reply(Attempt(failure=f"{job.label}: {platform.node()} has no results folder"), lacking=True)
        for key in missing:
            unpack(inputs[key], key, store)
        tried = _attempt(errand, store, correspondent)
        reply = _with_result(tried, job, store, folder.root) if away and not _follows(errand) else Reply(tried)
    except BenchError as error:
        reply = Reply(Attempt(failure=f"{job.label}: on {platform.node()}: {error}"))
    return replace(reply, letters=correspondent.written)


def _attempt(errand: Errand, store: Store, correspondent: Correspondent) -> Attempt:
    with _environment({} if errand.rank is None else errand.rank.environment()):
        if _follows(errand):
            follow(store, errand.execution)
            return Attempt()
        correspondent.begin()
        with leading():
            return attempt(errand.job, store, errand.execution, correspondent.tell)


def _follows(errand: Errand) -> bool:
    """Whether another process of the same training speaks for it."""
    return errand.rank is not None and errand.rank.number > 0


def _with_result(tried: Attempt, job: Job, store: Store, root: Path) -> Reply:
    """The reply of a node without the results folder: whatever is to lie there goes with it."""
    if tried.failure is None:
        return Reply(tried, parcel=pack(job.key, store))
    file = trace_file(store, job.key)
    trace = file.read_text() if str(file) in tried.failure else None
    return Reply(replace(tried, failure=tried.failure.replace(str(store.root), str(root))), trace=trace)


def _settle_in(errand: Errand) -> None:
    """Before anything is computed: a worker process may have done other jobs before, with other shares of the machine."""
    sys.path += [path for path in errand.paths if path not in sys.path and os.path.isdir(path)]
    if not errand.gpu:  # Ray shows every GPU to those that asked for none
        os.environ["CUDA_VISIBLE_DEVICES"] = ""
    import torch

    torch.set_num_threads(errand.threads)


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with these variables, inside the block."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
