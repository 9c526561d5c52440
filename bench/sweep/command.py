"""What `bench sweep` does once it is parsed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import optuna
from rich.console import Console
from rich.text import Text

from bench.cost import expected_seconds
from bench.executors.engine import Engine, open_executor
from bench.plan import Plan
from bench.store import Store
from bench.suite import Suite, load_suite
from bench.sweep.claims import Claims
from bench.sweep.desk import Desk
from bench.sweep.files import write_outcome
from bench.sweep.objectives import Objective, find_objectives
from bench.sweep.pruning import Course, find_course
from bench.sweep.record import Record, importances, read_record
from bench.sweep.samplers import check_sampler, count_trials, make_pruner
from bench.sweep.space import distributions
from bench.sweep.storage import JOURNAL, open_storage, reachable, shown
from bench.sweep.study import folder_name, open_study, study_name
from bench.sweep.tables import summary, write_trials
from bench.sweep.variation import Subject, open_subject, trial_jobs
from bench.sweep.view import SweepView, best_table, space_table, trial_costs
from bench.sweep.worker import Worker
from bench.terminal import Terminal
from bench.train.execution import Execution
from bench.view import plan_table


def sweep_suite(
    path: Path, profile: str, assignments: Sequence[str], results: Path, engine: Engine, loaders: int, storage: str | None
) -> int:  # fmt: skip
    """0 if a trial has values, 1 if all that ended failed."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    console, store = Terminal(), Store(results).open()
    subject = open_subject(load_suite(path, profile, assignments), store.cache)
    objectives, course, _ = _prepare(subject, subject.plan({}))
    folder = store.root / subject.suite.file.name / folder_name(subject)
    folder.mkdir(parents=True, exist_ok=True)
    execution = _execution(subject.suite, loaders, engine.processes)
    with reachable(storage, folder):
        kept = open_storage(storage, folder)
        study, claims = _open(subject, objectives, course, kept, folder)
        console.print(f"study {study.study_name!r} in {_place(storage, folder)}", highlight=False, soft_wrap=True)
        view = SweepView(console, subject.sweep.space, count_trials(subject.sweep))
        with view, open_executor(engine, view.say) as executor:
            view.show(read_record(study, subject.sweep.space, objectives))
            worker = Worker(subject, objectives, course, claims, kept, store, execution, executor, view)
            in_time = worker.work()
        record = read_record(study, subject.sweep.space, objectives)
        return _conclude(console, folder, subject, study, record, in_time)


def show_sweep(path: Path, profile: str, assignments: Sequence[str], results: Path) -> int:
    """The space and what a trial costs; nothing runs."""
    console, store = Terminal(), Store(results)
    subject = open_subject(load_suite(path, profile, assignments), store.cache)
    plan = subject.plan({})
    plan = replace(plan, jobs=tuple(trial_jobs(plan)))
    _, _, own = _prepare(subject, plan)
    seconds = expected_seconds(plan, store)
    console.print(space_table(subject.sweep.space), plan_table(plan, store, seconds), sep="\n")
    trials = count_trials(subject.sweep)
    costs = trial_costs(plan, store, seconds, own, trials)
    about = f"study {study_name(subject)!r}: {trials} trials, sampler {subject.sweep.sampler}"
    console.print(about, costs, sep="\n", highlight=False, soft_wrap=True)
    return 0


def _prepare(subject: Subject, plan: Plan) -> tuple[tuple[Objective, ...], Course, frozenset[str]]:
    """The objectives, the course of a trial and the labels of its own jobs: what can be wrong is found before anything runs."""
    objectives = find_objectives(subject, plan)
    check_sampler(subject)
    own = subject.own_jobs()
    return objectives, find_course(subject, trial_jobs(plan), own), own


def _execution(suite: Suite, loaders: int, processes: int) -> Execution:
    loggers = suite.file.loggers
    if loggers:
        from bench.train.loggers import check_loggers, log_in

        check_loggers(loggers)
        log_in(loggers)
    return Execution(loaders=loaders, loggers=loggers, suite=suite.file.name, processes=processes)


def _open(
    subject: Subject,
    objectives: Sequence[Objective],
    course: Course,
    storage: optuna.storages.BaseStorage,
    folder: Path,
) -> tuple[optuna.Study, Claims]:
    desk = Desk(folder)
    with desk.turn():
        study = open_study(storage, subject, objectives)
    study.pruner = make_pruner(subject.sweep, course.first, course.last)
    return study, Claims(study, subject, distributions(subject.sweep.space), desk)


def _place(storage: str | None, folder: Path) -> str:
    return str(folder / JOURNAL) if storage is None else shown(storage)


def _conclude(
    console: Console, folder: Path, subject: Subject, study: optuna.Study, record: Record, in_time: bool
) -> int:
    write_trials(folder, record)
    left = count_trials(subject.sweep) - len(record.trials)
    if not in_time and left > 0:
        console.print(
            f"the time is over; the same command goes on with the {left} trials that are left", highlight=False
        )
    if not record.complete:
        return _explain(console, record)
    write_outcome(folder, subject, record, importances(study, record.objectives))
    console.print(best_table(record), summary(record), str(folder), sep="\n", highlight=False, soft_wrap=True)
    return 0


def _explain(console: Console, record: Record) -> int:
    """1 if there is a trial that failed and none that did not."""
    reasons = list(dict.fromkeys(trial.note for trial in record.trials if trial.state == "failed"))
    console.print(f"no trial has values: {summary(record)}", highlight=False, soft_wrap=True)
    for reason in reasons[:3]:
        console.print(Text.assemble(("failed: ", "red"), reason), soft_wrap=True)
    return 1 if reasons else 0
