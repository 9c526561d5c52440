"""Batches in the order of the steps, loaded by any number of processes."""

from __future__ import annotations

import signal
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from bench.team import Team
from ugpnet.recipe import Batch, View


class BatchSource(Protocol):
    """Training data: batch `step` is a pure function of the step (and of the source's own seed)."""

    def batch(self, step: int) -> Batch: ...


class _Steps(Dataset[tuple[Tensor, Tensor, torch.Generator, tuple[View, ...]]]):
    """A plain tuple, since DataLoader pins tuples and would pass an unknown class by."""

    def __init__(self, source: BatchSource) -> None:
        self._source = source

    def __getitem__(self, step: int) -> tuple[Tensor, Tensor, torch.Generator, tuple[View, ...]]:
        # One thread, as in a worker: the order of a parallel sum must not depend on where the batch is made.
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            batch = self._source.batch(step)
        finally:
            torch.set_num_threads(threads)
        return batch.lq, batch.gt, batch.generator, batch.views


def stream(
    source: BatchSource, steps: range, loaders: int, device: torch.device, team: Team = Team()
) -> Generator[tuple[int, Batch], None, None]:
    """Each step with its batch on `device`; close it to stop the loaders.

    The tensors are fresh copies, so that they are aligned alike whoever made them. No process of the `team` begins a step
    before all have their share of it: a file that one of them cannot read ends the training in all.
    """
    if not steps:
        return
    loader = DataLoader(
        _Steps(source), batch_size=None, sampler=steps, num_workers=loaders, pin_memory=device.type == "cuda",
        worker_init_fn=_leave_signals_to_the_loop, generator=torch.Generator(),
    )  # fmt: skip
    arriving = iter(loader)
    for step in steps:
        with team.together():
            lq, gt, generator, views = next(arriving)
        lq, gt = (image.to(device, non_blocking=True, copy=True) for image in (lq, gt))
        yield step, Batch(lq, gt, generator, tuple(views))  # which the loader made a list


def split(batch: Batch, parts: int) -> Iterator[Batch]:
    """The batch in that many parts, or single images, as even as they come, the larger ones first; they share its generator."""
    lengths = [len(part) for part in torch.arange(len(batch.gt)).tensor_split(min(parts, len(batch.gt)))]
    views = iter(batch.views)
    for lq, gt in zip(batch.lq.split(lengths), batch.gt.split(lengths), strict=True):
        yield Batch(lq, gt, batch.generator, tuple(islice(views, len(gt))))


def _leave_signals_to_the_loop(worker: int) -> None:
    """Ctrl-C and schedulers reach all processes of a job, but a worker's death would break into the step."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
