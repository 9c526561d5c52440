"""Freed memory kept by the process against glibc's defaults: `python -m benchmarks.allocator`.

Two processes run the same network in turns, one after `bench.allocator.keep_freed_memory`: NAFNet of the released width on an
image of 512 px, and a training step of a narrow one at 64 px.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from bench.allocator import keep_freed_memory
from benchmarks.pairing import Row, argument_parser, compare, present, require_agreement
from ugpnet.nn.nafnet import NAFNet

Task: TypeAlias = Literal["forward", "training step"]
TARGET = 0.95


def prepare(task: Task) -> Callable[[], Tensor]:
    """What is run again and again; it returns the network's output."""
    torch.manual_seed(0)
    if task == "forward":
        network, x = NAFNet(3, 32, 12, (2, 2, 4, 8), (2, 2, 2, 2)), torch.rand(1, 3, 512, 512)
        return torch.inference_mode()(lambda: network(x))
    small, images = NAFNet(3, 32, 1, (1, 1, 1, 4), (1, 1, 1, 1)), torch.rand(8, 3, 64, 64)

    def step() -> Tensor:
        small.zero_grad()
        restored: Tensor = small(images)
        (restored - images).abs().mean().backward()
        return restored.detach()

    return step


def serve(task: Task, kept: bool, threads: int, pipe: Connection) -> None:
    """The life of one of the two processes: run when told to, answer with the output's sum."""
    torch.set_num_threads(threads)
    if kept and not keep_freed_memory():
        raise SystemExit("the C library is not glibc: nothing to measure")
    run = prepare(task)
    while pipe.recv():
        pipe.send(float(run().double().sum()))


@contextmanager
def started(task: Task, kept: bool, threads: int) -> Iterator[Callable[[], float]]:
    """A process of its own that runs once per call."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(task, kept, threads, there))
    process.start()

    def run() -> float:
        here.send(True)
        return float(here.recv())

    try:
        yield run
    finally:
        here.send(False)
        process.join()


def measure(task: Task, rounds: int, threads: int) -> Row:
    """The two in turns, after their outputs were compared."""
    with started(task, True, threads) as ours, started(task, False, threads) as peer:
        difference = require_agreement(task, abs(ours() - peer()), 0)
        return Row(f"NAFNet, {task}", "glibc's defaults", TARGET, compare(ours, peer, rounds), difference)


if __name__ == "__main__":
    arguments = argument_parser(__doc__).parse_args()
    tasks: tuple[Task, ...] = ("forward", "training step")
    present([measure(task, arguments.rounds, arguments.threads) for task in tasks], arguments.json)
