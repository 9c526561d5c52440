"""The options of `bench run` and `bench sweep` that say what does the jobs. Light: no torch."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import typer

CLUSTER = "On a cluster"
"""Panel of the help."""


class EngineName(str, Enum):
    """What does the jobs."""

    LOCAL = "local"
    RAY = "ray"


Workers = Annotated[
    int | None, typer.Option("--workers", min=1, help="Jobs at a time on this machine, each in a process of its own.")
]
Processes = Annotated[
    int,
    typer.Option("--processes", min=1, help="Processes that do each training together, each with a GPU of its own."),
]
Engine = Annotated[
    EngineName, typer.Option("--engine", rich_help_panel=CLUSTER, help="What does the jobs: this machine, or Ray.")
]
Address = Annotated[
    str | None,
    typer.Option(
        "--address", rich_help_panel=CLUSTER, metavar="HOST:PORT",
        help="Of a Ray cluster, or auto for the one of this machine; else one is started for the run.",
    ),
]  # fmt: skip
JobCpus = Annotated[
    float | None,
    typer.Option("--job-cpus", rich_help_panel=CLUSTER, min=0, help="Processors of each job, and its threads; else 1."),
]
JobGpus = Annotated[
    float | None,
    typer.Option("--job-gpus", rich_help_panel=CLUSTER, min=0, help="GPUs of each job that uses any, such as 0.5; else 1."),
]  # fmt: skip
