"""What jobs are expected to cost, learned from the jobs that the store has: seconds per unit of like work."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from statistics import median
from typing import Any

from bench.job import canonical
from bench.plan import Plan
from bench.store import Store


def expected_seconds(plan: Plan, store: Store) -> dict[str, float]:
    """Seconds by job key, for the jobs whose like was done before; the others are absent."""
    rates: dict[str, list[float]] = defaultdict(list)
    for record in store.records():
        rates[_likeness(record["kind"], record["identity"])].append(record["seconds"] / max(record["units"], 1))
    expected = {}
    for job in plan.jobs:
        if seen := rates.get(_likeness(job.kind, job.identity)):
            expected[job.key] = median(seen) * max(job.units, 1)
    return expected


def _likeness(kind: str, identity: Mapping[str, Any]) -> str:
    """What makes the work per unit alike: the identity without seeds, data content and length of training."""
    ignored = {"seed", "data_seed", "samples_seed", "train", "val", "test", "degradation", "device"}
    like = {name: value for name, value in identity.items() if name not in ignored}
    if "budget" in like:
        like["budget"] = {name: value for name, value in like["budget"].items() if name != "iterations"}
    return canonical({"kind": kind, "like": like})
