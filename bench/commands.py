"""What the commands do once they are parsed; each returns its exit code or nothing."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.cost import expected_seconds
from bench.executors.local import LocalExecutor
from bench.plan import Plan, make_plan
from bench.run import Run, failures, run_plan
from bench.store import Store
from bench.suite import Suite, load_suite
from bench.train.execution import Execution
from bench.view import TerminalView, plan_table, plan_total


def run_suite(path: Path, profile: str, assignments: Sequence[str], results: Path, workers: int) -> int:
    """0 if every row has its numbers, 1 if a job failed."""
    console = Console()
    store = Store(results).open()
    plan = _plan(load_suite(path, profile, assignments), store)
    _print_plan(console, plan, store)
    with TerminalView(console, len(plan.jobs)) as view:
        run = run_plan(plan, store, Execution(workers=workers), LocalExecutor(), view)
    _print_result(console, run)
    return 1 if run.outcome.failed else 0


def show_plan(path: Path, profile: str, assignments: Sequence[str], results: Path) -> int:
    store = Store(results)
    _print_plan(Console(), _plan(load_suite(path, profile, assignments), store), store)
    return 0


def _plan(suite: Suite, store: Store) -> Plan:
    return make_plan(suite, store.cache)


def _print_plan(console: Console, plan: Plan, store: Store) -> None:
    seconds = expected_seconds(plan, store)
    if any(not store.has(job.key) for job in plan.jobs):
        console.print(plan_table(plan, store, seconds))
    console.print(plan_total(plan, store, seconds))


def _print_result(console: Console, run: Run) -> None:
    from bench.report.render_console import render_console
    from bench.report.tabulation import tabulate

    console.print(render_console(tabulate(run.report)))
    for reason in failures(run.outcome):
        console.print(Text.assemble(("failed: ", "red"), reason))
    console.print(
        f"{run.folder} ({len(run.outcome.done)} jobs done, {len(run.outcome.cached)} found done, {run.seconds:.1f} s)",
        highlight=False,
    )


def check_parity(folders: Sequence[Path]) -> int:
    """0 if every case passes, 1 if one fails, 2 if there is none."""
    from bench.parity.probe import find_cases, judge

    console = Console()
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
