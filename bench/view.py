"""The terminal: the plan before a run, live progress during it. Light: rich only."""

from __future__ import annotations

import time
from collections.abc import Mapping

from rich.console import Console
from rich.progress import TaskID
from rich.table import Table
from rich.text import Text

from bench.execute import Progress as JobProgress
from bench.job import Job
from bench.live import LiveView
from bench.plan import Plan
from bench.store import Store

LINE_SECONDS = 30
"""Between two lines of progress in a log file or a pipe."""

UNITS = {
    "pairs": "images",
    "train": "iterations",
    "load": "",
    "restore": "images",
    "score": "images",
    "measure": "repeats",
}


def plan_table(plan: Plan, store: Store, seconds: Mapping[str, float]) -> Table:
    """The jobs with what they share, how much work each is and what it is expected to cost."""
    table = Table(title=f"{plan.suite.file.name} ({plan.suite.profile}): {len(plan.jobs)} jobs", title_justify="left")
    for column, justify in (
        ("job", "left"),
        ("kind", "left"),
        ("key", "left"),
        ("work", "right"),
        ("used by", "right"),
        ("cost", "right"),
    ):
        table.add_column(column, justify=justify, no_wrap=column != "job")  # type: ignore[arg-type]
    for job in plan.jobs:
        done = store.has(job.key)
        work = f"{job.units:,} {UNITS[job.kind]}" if job.units else ""
        cost = "done" if done else duration(seconds.get(job.key))
        users = plan.users(job.key)
        table.add_row(
            job.label, job.kind, job.key[:8], work, str(users) if users else "", cost, style="dim" if done else None
        )
    return table


def plan_gaps(plan: Plan) -> list[Text]:
    """The rows that have no jobs, and why: sentences, too long for the table."""
    return [Text(f"{row.row.label}: n/a: {row.unsupported}", "yellow") for row in plan.rows if row.unsupported]


def plan_total(plan: Plan, store: Store, seconds: Mapping[str, float]) -> str:
    """`12 of 20 jobs to do, about 6 min` (and how many have no known cost, and what sharing saves)."""
    left = [job for job in plan.jobs if not store.has(job.key)]
    if not left:
        return f"all {len(plan.jobs)} jobs are done"
    known = sum(seconds.get(job.key, 0.0) for job in left)
    unknown = sum(job.key not in seconds for job in left)
    costs = [f"about {duration(known)}"] if unknown < len(left) else []
    costs += [f"{unknown} of unknown cost"] if unknown else []
    made, asked = plan.trainings()
    shared = f"; {asked} trainings are {made}, as rows share them" if made < asked else ""
    return f"{len(left)} of {len(plan.jobs)} jobs to do, {' and '.join(costs)}{shared}"


def duration(seconds: float | None) -> str:
    if seconds is None:
        return "?"
    if seconds < 1:
        return "< 1 s"
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class TerminalView(LiveView):
    """Watches an executor: a bar over the jobs, a bar for the job at work, a line for each that ended."""

    def __init__(self, console: Console, jobs: int) -> None:
        super().__init__(console)
        self.total = self.progress.add_task("jobs", total=jobs, text="")
        self.current: dict[str, TaskID] = {}
        self.last_line = time.monotonic()

    def started(self, job: Job) -> None:
        self.current[job.key] = self.progress.add_task(job.label, total=job.units or None, text="")
        if not self.console.is_terminal:
            self.console.print(f"  .. {job.label}", highlight=False)

    def progressed(self, progress: JobProgress) -> None:
        task = self.current.get(progress.job.key)
        if task is not None:
            self.progress.update(task, completed=progress.done, total=progress.total, text=progress.text)
        if not self.console.is_terminal and time.monotonic() - self.last_line > LINE_SECONDS:
            self.last_line = time.monotonic()
            self.console.print(
                f"     {progress.job.label} {progress.done}/{progress.total} {progress.text}", highlight=False
            )

    def finished(self, job: Job, seconds: float) -> None:
        self._end(job, Text.assemble(("  ok ", "green"), f"{job.label} ", (duration(seconds), "dim")))

    def failed(self, job: Job, reason: str) -> None:
        self._end(job, Text.assemble(("  failed ", "red"), f"{job.label}: {reason}"))

    def _end(self, job: Job, line: Text) -> None:
        task = self.current.pop(job.key, None)
        if task is not None:
            self.progress.remove_task(task)
        self.progress.advance(self.total)
        self.console.print(line, highlight=False)
