"""From a plan and the store to the report's data: rows, and descriptions of the methods, metrics and pictures in them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml
from pyarrow import parquet

import methods
from bench.env import describe_environment
from bench.executors.base import Outcome
from bench.job import BATCH_PARTS
from bench.metrics.names import spec as metric_spec
from bench.plan import Plan, RowPlan, TestSet
from bench.protocol import protocol_id
from bench.report.model import (
    COLUMNS,
    Citation,
    Direction,
    Family,
    Latency,
    MethodInfo,
    MetricInfo,
    Pictures,
    Provenance,
    Report,
)
from bench.report.saved import SavedPictures, open_pictures
from bench.row import Row
from bench.store import Store

BYTES_PER_WEIGHT = 4  # measured in fp32


def gather(plan: Plan, store: Store, outcome: Outcome, run: str) -> Report:
    """The report of what is done; rows without numbers say why."""
    file = plan.suite.file
    described = tuple(_method(row, plan, store) for row in plan.rows)
    parts = [_on_test(plan, test, described, store, outcome, run) for test in plan.tests]
    if not parts:  # a suite that only measures costs
        return Report(
            file.name, _no_rows(), (), described, reference=plan.reference, provenance=_provenance(plan, outcome)
        )
    return replace(
        parts[0], ood=tuple(parts[1:]), curves=_curves(plan, store), reference=plan.reference,
        provenance=_provenance(plan, outcome),
    )  # fmt: skip


def _on_test(
    plan: Plan, test: TestSet, described: tuple[MethodInfo, ...], store: Store, outcome: Outcome, run: str
) -> Report:
    """What was measured on one test set."""
    infos = tuple(
        replace(info, reason=_reason(row, test.name, outcome)) for info, row in zip(described, plan.rows, strict=True)
    )
    identity = {"task": plan.suite.file.task, **test.identity}
    return Report(
        plan.suite.file.name, _rows(plan, test.name, store, run), _metrics(plan, test), infos,
        _pictures(plan, test, store), test=test.name, baseline=plan.suite.file.baseline, identity=identity,
    )  # fmt: skip


def _reason(row: RowPlan, test: str, outcome: Outcome) -> str | None:
    keys = row.scores.get(test, {}).values()
    return row.unsupported or next((outcome.failed[key] for key in keys if key in outcome.failed), None)


SCORING = ("torch", "torchvision", "numpy", "scipy", "pillow", "scikit-image", "pyiqa", "lpips", "torch-fidelity")
"""Libraries that decode images and compute metrics."""


def _libraries(row: RowPlan, store: Store) -> tuple[str, ...]:
    """What the row's scores were computed with, those of all seeds and test sets together."""
    keys = [key for scores in row.scores.values() for key in scores.values() if store.has(key)]
    found = [store.record(key)["packages"] for key in keys]
    return tuple(sorted({f"{name} {versions[name]}" for versions in found for name in SCORING}))


def _rows(plan: Plan, test: str, store: Store, run: str) -> pd.DataFrame:
    parts, counts, whose = [], [], []
    for row in plan.rows:
        for seed, key in row.scores.get(test, {}).items():
            if store.has(key):
                part = parquet.read_table(store.path(key) / "rows.parquet", use_threads=False)
                parts.append(part)
                counts.append(part.num_rows)
                whose.append((row.row.label, row.row.variant or "", seed, key))
    if not parts:
        return _no_rows()
    scores = pa.concat_tables(parts, promote_options="default").to_pandas()  # a set metric alone names no image
    owners = pd.DataFrame(whose, columns=["method", "variant", "seed", "key"])
    owners = owners.loc[np.repeat(np.arange(len(owners)), counts)].reset_index(drop=True)
    rows: pd.DataFrame = pd.concat([scores, owners], axis=1).assign(run=run, test=test)[list(COLUMNS)]
    return rows


def _no_rows() -> pd.DataFrame:
    return pd.DataFrame(columns=list(COLUMNS))


def _metrics(plan: Plan, test: TestSet) -> tuple[MetricInfo, ...]:
    infos = []
    for name in plan.suite.file.metrics:
        about, why = metric_spec(name), plan.unavailable.get(name)
        protocol = "" if why else protocol_id(name, len(test.ids))
        direction: Direction = "up" if about.higher_is_better else "down"
        infos.append(MetricInfo(name, about.label, direction, about.decimals, protocol, why))
    return tuple(infos)


def _method(row: RowPlan, plan: Plan, store: Store) -> MethodInfo:
    facts = methods.load(row.row.method).facts
    # a prior's samples are judged as a generative method's images are
    family: Family = "generative" if facts.family == "prior" else facts.family
    citation = Citation(facts.title, facts.venue, facts.arxiv, facts.code, facts.licence, facts.bibtex)
    notes = (*row.notes, *_memory_notes(row, plan, store))
    info = MethodInfo(
        row.row.label, family, row.unsupported, notes=notes, base=row.row.base, variant=row.row.variant,
        regressor=_regressor(row.row, plan), citation=citation, libraries=_libraries(row, store),
    )  # fmt: skip
    return info if row.measure is None or not store.has(row.measure) else _measured(info, row.measure, store)


def _memory_notes(row: RowPlan, plan: Plan, store: Store) -> Iterator[str]:
    """Which of the row's trainings had less memory than their batches ask for."""
    keys = (key for scores in row.scores.values() for key in scores.values())
    for job in plan.behind(keys):
        if job.kind == "train" and store.has(job.key) and (parts := store.record(job.key).get(BATCH_PARTS)):
            yield f"{job.label}: batches in {parts} parts for want of memory, gradients added up: the same but for rounding"


def _regressor(row: Row, plan: Plan) -> str | None:
    """The label of the row that is this row's `regressor`, where it is one of the table."""
    peer = row.peers.get("regressor")
    return next((other.row.label for other in plan.rows if other.row is peer), None)


def _measured(info: MethodInfo, key: str, store: Store) -> MethodInfo:
    measured = json.loads((store.path(key) / "measure.json").read_text())
    latency, device = measured["latency_ms"], measured["device"]
    count = device.get("threads")
    threads = "" if count is None else f", {count} thread{'s' if count != 1 else ''}"
    how = f"{device['name']}{threads}, torch {store.record(key)['packages']['torch']}, {latency['clock']}"
    size: dict[str, Any] = measured["complexity"]
    inside = (_parts(size["parts"]),) if info.family == "hybrid" else ()
    return replace(
        info, parameters=size["parameters"], macs=size["macs"],
        memory=size["parameters"] * BYTES_PER_WEIGHT + size["peak_bytes"],
        latency=Latency(latency["median"], latency["p10"], latency["p90"], how),
        notes=(*info.notes, *inside),
    )  # fmt: skip


def _parts(parameters: Mapping[str, int]) -> str:
    return "parameters: " + ", ".join(f"{part} {count / 1e6:.1f} M" for part, count in parameters.items())


def _pictures(plan: Plan, test: TestSet, store: Store) -> Pictures | None:
    """The images that the first seed of each row restored, None where there is none."""
    if test.pairs is None or not store.has(test.pairs):
        return None
    jobs = {job.key: job for job in plan.jobs}
    restored: dict[str, str] = {}
    parts: dict[str, dict[str, str]] = {}
    for row in plan.rows:
        score = next((key for key in row.scores.get(test.name, {}).values() if store.has(key)), None)
        kind = methods.load(row.row.method)
        if score is not None and kind.facts.family != "input":
            made = jobs[score].inputs["restored"]
            restored[row.row.label] = f"{made}/images"
            parts |= {row.row.label: {name: f"{made}/parts/{name}" for name in kind.parts}} if kind.parts else {}
    if not restored:
        return None
    figures = plan.suite.file.figures
    named = tuple(name for name in figures.images or () if name in test.ids)
    chosen = named or tuple(test.ids[: figures.count])
    folders = SavedPictures(tuple(test.ids), chosen, f"{test.pairs}/lq", f"{test.pairs}/gt", restored, parts)
    return open_pictures(store.folder, folders)


def _curves(plan: Plan, store: Store) -> pd.DataFrame | None:
    parts = []
    for job in plan.jobs:
        if job.kind == "train" and store.has(job.key):
            log = pd.read_parquet(store.path(job.key) / "log.parquet")
            parts.append(log.assign(job=job.key, label=job.label))
    return pd.concat(parts, ignore_index=True) if parts else None


def _provenance(plan: Plan, outcome: Outcome) -> Provenance:
    warnings = [
        f"{test.name}: {len(test.skipped)} images left out: {_some(test.skipped)}"
        for test in plan.tests
        if test.skipped
    ]
    warnings += dict.fromkeys(outcome.failed.values())
    return Provenance(
        yaml.safe_dump(plan.suite.document, sort_keys=False, allow_unicode=True, width=100), plan.suite.profile,
        describe_environment(), {job.key: job.label for job in plan.jobs}, tuple(warnings),
    )  # fmt: skip


def _some(names: Any) -> str:
    shown = ", ".join(names[:5])
    return f"{shown}, ..." if len(names) > 5 else shown
