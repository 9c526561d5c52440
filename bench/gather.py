"""From a plan and the store to the report's data: rows, and descriptions of the methods, metrics and pictures in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image

import methods
from bench.data.sources import Source, open_source
from bench.executors.base import Outcome
from bench.metrics.names import spec as metric_spec
from bench.plan import Plan, RowPlan
from bench.protocol import protocol_id
from bench.report.model import COLUMNS, MAIN_TEST, Direction, Latency, MethodInfo, MetricInfo, Pictures, Report
from bench.store import Store

BYTES_PER_WEIGHT = 4  # measured in fp32


def gather(plan: Plan, store: Store, outcome: Outcome, run: str) -> Report:
    """The report of what is done; rows without numbers say why."""
    return Report(
        name=plan.suite.file.name, rows=_rows(plan, store, run), metrics=_metrics(plan),
        methods=tuple(_method(row, store, outcome) for row in plan.rows),
        pictures=_pictures(plan, store), curves=_curves(plan, store), reference=plan.reference,
    )  # fmt: skip


def _rows(plan: Plan, store: Store, run: str) -> pd.DataFrame:
    parts = []
    for row in plan.rows:
        for seed, key in row.scores.items():
            if store.has(key):
                part = pd.read_parquet(store.path(key) / "rows.parquet")
                parts.append(
                    part.assign(
                        run=run, test=MAIN_TEST, method=row.row.label, variant=row.row.variant or "", seed=seed, key=key
                    )
                )
    if not parts:
        return pd.DataFrame(columns=list(COLUMNS))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def _metrics(plan: Plan) -> tuple[MetricInfo, ...]:
    infos = []
    for name in plan.suite.file.metrics:
        about, why = metric_spec(name), plan.unavailable.get(name)
        protocol = "" if why else protocol_id(name, plan.test_images)
        direction: Direction = "up" if about.higher_is_better else "down"
        infos.append(MetricInfo(name, about.label, direction, about.decimals, protocol, why))
    return tuple(infos)


def _method(row: RowPlan, store: Store, outcome: Outcome) -> MethodInfo:
    family = methods.load(row.row.method).facts.family
    if family == "prior":  # its samples are judged as a generative method's images are
        family = "generative"
    reason = row.unsupported or next(
        (outcome.failed[key] for key in row.scores.values() if key in outcome.failed), None
    )
    if row.measure is None or not store.has(row.measure):
        return MethodInfo(row.row.label, family, reason, notes=row.notes)
    measured = json.loads((store.path(row.measure) / "measure.json").read_text())
    latency, device = measured["latency_ms"], measured["device"]
    threads = f", {device['threads']} threads" if "threads" in device else ""
    label = f"{device['name']}{threads}, {latency['clock']}"
    size: dict[str, Any] = measured["complexity"]
    return MethodInfo(
        row.row.label, family, reason, size["parameters"], size["macs"],
        size["parameters"] * BYTES_PER_WEIGHT + size["peak_bytes"],
        Latency(latency["median"], latency["p10"], latency["p90"], label),
        (*row.notes, *((_parts(size["parts"]),) if family == "hybrid" else ())),
    )  # fmt: skip


def _parts(parameters: Mapping[str, int]) -> str:
    return "parameters: " + ", ".join(f"{part} {count / 1e6:.1f} M" for part, count in parameters.items())


def _pictures(plan: Plan, store: Store) -> Pictures | None:
    """Loaders of the first seed's images, None where nothing was restored."""
    spec = {job.key: job for job in plan.jobs}
    folders: dict[str, Path] = {}
    for row in plan.rows:
        key = next(iter(row.scores.values()), None)
        restored = spec[key].inputs["restored"] if key in spec else None
        if restored is not None and key is not None and store.has(key):
            folders[row.row.label] = store.path(restored) / "images"
    if not folders or plan.suite.file.task == "prior":
        return None
    source = open_source(plan.suite.data().test, plan.suite.root, store.cache)
    position = {name: index for index, name in enumerate(source.ids)}
    degraded = _degraded_loader(plan, source, position)
    chosen = plan.suite.file.figures.images or tuple(source.ids[: plan.suite.file.figures.count])
    shown = {label: _loader(folder, position) for label, folder in folders.items() if not _is_input(plan, label)}
    return Pictures(chosen, degraded, lambda name: source.image(position[name]), shown)


def _is_input(plan: Plan, label: str) -> bool:
    return any(row.row.label == label and methods.load(row.row.method).facts.family == "input" for row in plan.rows)


def _loader(folder: Path, position: dict[str, int]) -> Callable[[str], NDArray[np.uint8]]:
    def load(name: str) -> NDArray[np.uint8]:
        with Image.open(folder / f"{position[name]:05d}.png") as image:
            return np.asarray(image)

    return load


def _degraded_loader(plan: Plan, source: Source, position: dict[str, int]) -> Callable[[str], NDArray[np.uint8]]:
    from bench.data.pairs import Pairs  # torch

    pairs = Pairs(source, plan.suite.file.degradation, plan.suite.file.seed)

    def load(name: str) -> NDArray[np.uint8]:
        lq, _ = pairs.pair(position[name])
        return (lq.permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)

    return load


def _curves(plan: Plan, store: Store) -> pd.DataFrame | None:
    parts = []
    for job in plan.jobs:
        if job.kind == "train" and store.has(job.key):
            log = pd.read_parquet(store.path(job.key) / "log.parquet")
            parts.append(log.assign(job=job.key, label=job.label))
    return pd.concat(parts, ignore_index=True) if parts else None
