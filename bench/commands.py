"""What the commands do once they are parsed; each returns its exit code or nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from bench.allocator import keep_freed_memory
from bench.cost import expected_seconds
from bench.device import find_device
from bench.executors.engine import Engine, open_executor
from bench.plan import Plan, make_plan
from bench.store import Store, write_atomically
from bench.suite import Suite, load_suite
from bench.terminal import Terminal
from bench.train.execution import Execution
from bench.view import TerminalView, plan_gaps, plan_table, plan_total

SHOWN = 5
"""Of a list of like complaints."""

if TYPE_CHECKING:
    from bench.report.model import Report
    from bench.restore.image import Geometry
    from bench.restore.source import Source
    from bench.run import Run


def run_suite(path: Path, profile: str, assignments: Sequence[str], results: Path, engine: Engine, loaders: int) -> int:
    """0 if every row has its numbers, 1 if a job failed."""
    from bench.run import run_plan

    console = Terminal()
    store = Store(results).open()
    plan = _plan(load_suite(path, profile, assignments), store)
    _print_plan(console, plan, store)
    execution = _execution(plan, store, loaders, engine.processes)
    with TerminalView(console, len(plan.jobs)) as view, open_executor(engine, view.say) as executor:
        run = run_plan(plan, store, execution, executor, view)
    _print_result(console, run)
    return 1 if run.outcome.failed else 0


def _execution(plan: Plan, store: Store, loaders: int, processes: int) -> Execution:
    loggers = plan.suite.file.loggers
    if loggers and any(job.kind == "train" and not store.has(job.key) for job in plan.jobs):
        from bench.train.loggers import log_in

        log_in(loggers)
    return Execution(loaders=loaders, loggers=loggers, suite=plan.suite.file.name, processes=processes)


def show_plan(path: Path, profile: str, assignments: Sequence[str], results: Path) -> int:
    store = Store(results)
    _print_plan(Terminal(), _plan(load_suite(path, profile, assignments), store), store)
    return 0


def _plan(suite: Suite, store: Store) -> Plan:
    if suite.file.loggers:
        from bench.train.loggers import check_loggers

        check_loggers(suite.file.loggers)
    return make_plan(suite, store.cache)


def _print_plan(console: Console, plan: Plan, store: Store) -> None:
    seconds = expected_seconds(plan, store)
    if any(not store.has(job.key) for job in plan.jobs):
        console.print(plan_table(plan, store, seconds), *plan_gaps(plan), sep="\n")
    console.print(plan_total(plan, store, seconds))


def rebuild_report(folder: Path) -> int:
    """Tables, figures and page of a finished run, drawn anew from what it kept; 1 if images of it are gone."""
    from bench.report.imagefiles import missing_images
    from bench.report.saved import load_report
    from bench.report.write import write_report

    console = Terminal()
    report = load_report(folder)
    gone = [line for part in (report, *report.ood) if part.pictures for line in missing_images(part.pictures)]
    written = write_report(folder, report)
    _print_tables(console, report)
    for line in gone[:SHOWN]:
        console.print(Text.assemble(("missing: ", "yellow"), line), soft_wrap=True)
    if len(gone) > SHOWN:
        console.print(f"and {len(gone) - SHOWN} more", highlight=False)
    console.print(f"{len(written)} files written to {folder}", highlight=False)
    return 1 if gone else 0


def compare_runs(folders: Sequence[Path], baseline: str | None, out: Path | None) -> int:
    """Rows of several runs in one table, and their differences to `baseline`; as files too, in `out`."""
    from bench.compare import compare_runs

    console = Terminal()
    comparison = compare_runs(folders, baseline)
    _print_tables(console, comparison.report)
    if comparison.devices:
        devices = "; ".join(comparison.devices)
        console.print(f"without latencies, which are of different devices: {devices}", highlight=False, soft_wrap=True)
    if out is not None:
        from bench.report.tables import report_tables
        from bench.report.write import write_tables

        written = write_tables(out, report_tables(comparison.report))
        console.print(f"{len(written)} files written to {out}", highlight=False)
    return 0


def redraw_figures(
    folder: Path, images: Sequence[str], crops: Sequence[str], rows: Sequence[str], formats: str, out: Path | None
) -> int:
    """The picture figures of a finished run with other images, crops or rows."""
    from bench.figures import Choice, read_crop, read_formats, redraw

    choice = Choice(tuple(images), tuple(map(read_crop, crops)), tuple(rows))
    for path in redraw(folder, choice, read_formats(formats), out):
        Terminal().print(str(path), highlight=False, soft_wrap=True, markup=False)
    return 0


def _print_tables(console: Console, report: Report) -> None:
    from bench.report.render_console import render_console
    from bench.report.tables import report_tables

    for tables in report_tables(report).values():
        console.print(*map(render_console, tables), sep="\n")


def _print_result(console: Console, run: Run) -> None:
    from bench.run import failures

    _print_tables(console, run.report)
    for label, files in run.repaired.items():
        console.print(Text.assemble(("was damaged: ", "yellow"), f"{label}: {', '.join(files[:SHOWN])}; done again"))
    for reason in failures(run.outcome):
        console.print(Text.assemble(("failed: ", "red"), reason))
    console.print(
        f"{run.folder} ({len(run.outcome.done)} jobs done, {len(run.outcome.cached)} found done, {run.seconds:.1f} s)",
        highlight=False,
    )


def check_parity(folders: Sequence[Path]) -> int:
    """0 if every case passes, 1 if one fails, 2 if there is none."""
    from bench.parity.probe import find_cases, judge

    console = Terminal()
    cases = find_cases(list(folders))
    if not cases:
        console.print(f"no oracle (a folder with case.json and golden.npz) in {', '.join(map(str, folders))}")
        return 2
    started, passed = time.monotonic(), 0
    for case in cases:
        verdict = judge(case)
        passed += verdict.passed
        mark = Text("pass", "green") if verdict.passed else Text("FAIL", "red")
        console.print(
            Text.assemble(mark, f"  {verdict.error:8.1e}  {verdict.case}  ", (verdict.reason or verdict.worst, "dim")),
            soft_wrap=True,
        )
    console.print(f"{passed} of {len(cases)} cases pass ({time.monotonic() - started:.0f} s)", highlight=False)
    return 0 if passed == len(cases) else 1


def show_methods(name: str | None) -> int:
    """All methods in a table, or one in full."""
    console = Terminal()
    with console.status("reading the methods"):
        from bench.catalogue import describe, list_methods
        from bench.catalogue_view import method_sheet, methods_table

        shown = methods_table(list_methods()) if name is None else method_sheet(describe(name))
    console.print(shown)
    return 0


def write_schema(out: Path | None) -> int:
    """The schema of suites, into a file or onto standard output."""
    from bench.schema import schema_text

    if out is None:
        print(schema_text(), end="")
    else:
        write_atomically(out, schema_text().encode())
    return 0


def restore_images(
    inputs: Sequence[str], source: Source, geometry: Geometry, out: Path, overwrite: bool, save_parts: bool, device: str
) -> int:  # fmt: skip
    """0 if every image was restored or kept, 1 if one failed."""
    from bench.restore.batch import restore_batch
    from bench.restore.inputs import collect
    from bench.restore.view import RestoreView, failure, heading, summary

    console = Terminal()
    keep_freed_memory()
    chosen = find_device(device)
    restorer = source.load().with_parts() if save_parts else source.load()
    geometry.check(restorer)
    console.print(heading(restorer, str(chosen)), highlight=False)
    found = collect(inputs, out)
    for name, reason in found.failed.items():
        console.print(failure(name, reason), soft_wrap=True, highlight=False)
    with RestoreView(console, len(found.entries)) as view:
        outcome = restore_batch(found.entries, restorer, geometry, chosen, overwrite, view)
    outcome.failed.update(found.failed)
    console.print(summary(outcome, len(view.tiled), restorer, out), highlight=False)
    return 1 if outcome.failed else 0
