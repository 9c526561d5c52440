"""A run: the plan executed, its rows gathered, the report written, the manifest beside it."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.env import describe_environment, peak_memory
from bench.errors import StoreError
from bench.executors.base import Executor, Outcome, Watcher
from bench.gather import gather
from bench.job import canonical
from bench.plan import Plan
from bench.repair import discard_damaged
from bench.store import Store, write_atomically
from bench.storekeeping.runs import MANIFEST, UNFINISHED, announce, described, read_manifest

if TYPE_CHECKING:
    from bench.report.model import Report
    from bench.train.execution import Execution


@dataclass(frozen=True)
class Run:
    """What `bench run` leaves: its folder, the report's data and what became of each job."""

    folder: Path
    report: Report
    outcome: Outcome
    seconds: float
    repaired: Mapping[str, Sequence[str]]
    """The damaged files of results that were done again, by the job's label."""


def run_plan(plan: Plan, store: Store, execution: Execution, executor: Executor, watcher: Watcher) -> Run:
    """Execute what the store lacks, then write tables, figures and the manifest (not again if nothing changed)."""
    started = time.monotonic()
    folder = store.root / plan.suite.file.name / run_name(plan)
    announce(folder, plan.jobs, store)
    damaged = discard_damaged(plan.jobs, store, drawn=not (folder / MANIFEST).is_file())
    outcome = executor.run(plan.jobs, store, execution, watcher)
    report = gather(plan, store, outcome, folder.name)
    manifest = _manifest(plan, outcome)
    if not _is_current(folder, manifest):
        from bench.report.saved import save_report
        from bench.report.write import write_report  # matplotlib: only when there is something to draw

        write_report(folder, report)
        save_report(folder, report)
        facts = {
            "seconds": round(time.monotonic() - started, 1),
            "peak_memory": peak_memory(),
            "environment": describe_environment(),
        }
        write_atomically(folder / MANIFEST, json.dumps(manifest | facts, indent=1, sort_keys=True).encode())
    (folder / UNFINISHED).unlink(missing_ok=True)
    repaired = {job.label: damaged[job.key] for job in plan.jobs if job.key in damaged}
    return Run(folder, report, outcome, time.monotonic() - started, repaired)


def run_name(plan: Plan) -> str:
    """`<profile>-<8 digits>`: the same suite with the same profile and overrides is the same run."""
    import hashlib

    digest = hashlib.sha256(canonical(_compared(plan)).encode()).hexdigest()
    return f"{plan.suite.profile}-{digest[:8]}"


def _compared(plan: Plan) -> dict[str, Any]:
    """The resolved suite; who watches its trainings, and what a sweep would try, do not make another run of it."""
    return {name: value for name, value in plan.suite.document.items() if name not in ("loggers", "sweep")}


def _manifest(plan: Plan, outcome: Outcome) -> dict[str, Any]:
    """What made this run: the resolved suite and every job's key; equal manifests mean equal reports."""
    return {
        "suite": _compared(plan), "suite_file": os.path.basename(plan.suite.path), "profile": plan.suite.profile,
        "jobs": described(plan.jobs),
        "reference": _published(plan), "failed": dict(sorted(outcome.failed.items())), "unavailable": dict(plan.unavailable),
    }  # fmt: skip


def _published(plan: Plan) -> dict[str, Any] | None:
    """The values that stood beside ours: the table is drawn anew when their file changes."""
    if plan.reference is None:
        return None
    values = {f"{label}: {column}": value for (label, column), value in plan.reference.values.items()}
    return {"source": plan.reference.source, "values": values}


def _is_current(folder: Path, manifest: dict[str, Any]) -> bool:
    try:
        written = read_manifest(folder / MANIFEST)
    except StoreError:
        return False
    plain = json.loads(json.dumps(manifest))
    return all(written.get(name) == value for name, value in plain.items())


def failures(outcome: Outcome) -> Sequence[str]:
    """The reasons of failed jobs, each once."""
    return list(dict.fromkeys(outcome.failed.values()))
