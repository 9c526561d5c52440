"""The terminal during a sweep: the best so far, what runs and what was given up, and the job at hand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.progress import TaskID
from rich.table import Table
from rich.text import Text

from bench.execute import Progress
from bench.job import Job
from bench.live import LiveView
from bench.plan import Plan
from bench.store import Store
from bench.sweep.record import Record, Tried
from bench.sweep.space import Space, Values, as_parameter, describe, short_names
from bench.sweep.tables import best_header, best_row, shown
from bench.view import duration

MARKS = {"complete": ("  ok ", "green"), "pruned": ("  pruned ", "yellow"), "failed": ("  failed ", "red")}


class SweepView(LiveView):
    """Watches a worker: a bar over the trials of the study, a bar for each job at work, a line for each trial that ended."""

    def __init__(self, console: Console, space: Space, trials: int) -> None:
        super().__init__(console)
        self.names = short_names(list(space))
        self.trials = self.progress.add_task("trials", total=trials, text="")
        self.jobs: dict[str, TaskID] = {}
        self.prefix = ""

    def show(self, record: Record) -> None:
        """Where the study stands."""
        over = len(record.trials) - record.count("running") - record.count("waiting")
        self.progress.update(self.trials, completed=over, text=standing(record))

    def began(self, number: int, values: Values, jobs: Sequence[Job]) -> None:
        self.prefix = f"trial {number}: "
        if not self.console.is_terminal:
            self.console.print(
                f"  .. trial {number}: {self._values(values)}", highlight=False, markup=False, soft_wrap=True
            )

    def ended(self, number: int, record: Record) -> None:
        self._clear(*self.jobs)
        self.show(record)
        found = next((each for each in record.trials if each.number == number), None)
        if found is not None and found.state in MARKS:
            self.console.print(self._line(record, found), highlight=False, soft_wrap=True)

    def _line(self, record: Record, trial: Tried) -> Text:
        mark, colour = MARKS[trial.state]
        pairs = zip(record.objectives, trial.results, strict=False)
        results = ", ".join(f"{each.name} {value:.{each.decimals}f}" for each, value in pairs) or trial.note
        star = "  best" if len(record.objectives) == 1 and record.best[:1] == [trial] else ""
        seconds = "" if trial.seconds is None else f"  {trial.seconds:.0f} s"
        values = self._values(record.values(trial))
        return Text.assemble(
            (mark, colour), f"trial {trial.number}: {values}: {results}", (star, "green"), (seconds, "dim")
        )

    def _values(self, values: Values) -> str:
        return ", ".join(f"{self.names[field]} {shown(as_parameter(value))}" for field, value in values.items())

    def started(self, job: Job) -> None:
        self.jobs[job.key] = self.progress.add_task(self.prefix + job.label, total=job.units or None, text="")

    def progressed(self, progress: Progress) -> None:
        if (task := self.jobs.get(progress.job.key)) is not None:
            self.progress.update(task, completed=progress.done, total=progress.total, text=progress.text)

    def finished(self, job: Job, seconds: float) -> None:
        self._clear(job.key)

    def failed(self, job: Job, reason: str) -> None:
        self._clear(job.key)

    def _clear(self, *keys: str) -> None:
        for key in keys:
            if (task := self.jobs.pop(key, None)) is not None:
                self.progress.remove_task(task)


def standing(record: Record) -> str:
    """`best PSNR 28.31, 2 running, 1 pruned`; of several objectives the best value of each, and the size of the front."""
    parts = []
    if record.complete:
        pairs = zip(record.objectives, record.costs.min(axis=0), strict=True)
        parts.append("best " + ", ".join(f"{each.label} {cost * each.sign:.{each.decimals}f}" for each, cost in pairs))
    parts += [f"{count} {state}" for state in ("running", "pruned", "failed") if (count := record.count(state))]
    if record.complete and len(record.objectives) > 1:
        parts.append(f"front of {len(record.best)}")
    return ", ".join(parts)


def space_table(space: Space) -> Table:
    """What is varied."""
    table = Table(title="space", title_justify="left")
    table.add_column("field", no_wrap=True)
    table.add_column("values")
    for field, dimension in space.items():
        table.add_row(Text(field), Text(describe(dimension)))
    return table


def best_table(record: Record) -> Table:
    """The best trials, as `best.md` has them."""
    table = Table(title=record.name, title_justify="left")
    for name in best_header(record):
        table.add_column(Text(name), justify="right")
    for n, trial in enumerate(record.best, start=1):
        table.add_row(*map(Text, best_row(record, n, trial)))
    return table


def trial_costs(plan: Plan, store: Store, seconds: Mapping[str, float], own: frozenset[str], trials: int) -> str:
    """What every trial costs, what all share, and the sum. `own`: the labels of each trial's own jobs."""
    each = [job for job in plan.jobs if job.label in own]
    shared = [job for job in plan.jobs if job.label not in own and not store.has(job.key)]
    unknown = [job.label for job in (*each, *shared) if job.key not in seconds]
    trial, once = (sum(seconds.get(job.key, 0.0) for job in jobs) for jobs in (each, shared))
    trainings = ", ".join(job.label for job in each if job.kind == "train") or "nothing"
    gaps = f", without {', '.join(unknown)}, of unknown cost" if unknown else ""
    return (
        f"a trial trains {trainings}: about {duration(trial)}; once for all of them: about {duration(once)}; "
        f"{trials} trials: about {duration(once + trials * trial)}{gaps}"
    )
