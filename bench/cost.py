"""What jobs are expected to cost: seconds per unit of like work, from the store, else as measured for shipped suites."""

from __future__ import annotations

import hashlib
import json
import sys
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Any

from bench.job import canonical
from bench.plan import Plan
from bench.store import Store

REFERENCE = Path(__file__).parent / "assets" / "costs.json"


def expected_seconds(plan: Plan, store: Store) -> dict[str, float]:
    """Seconds by job key. Absent: jobs whose like was never done here and that no shipped suite has."""
    rates = _reference_rates() | measured_rates(store)
    known = {job.key: (job, rates.get(likeness(job.kind, job.identity))) for job in plan.jobs}
    return {key: rate * max(job.units, 1) for key, (job, rate) in known.items() if rate is not None}


def measured_rates(store: Store) -> dict[str, float]:
    """Median seconds per unit of the store's jobs, by likeness."""
    rates: dict[str, list[float]] = defaultdict(list)
    for record in store.records():
        rates[likeness(record["kind"], record["identity"])].append(record["seconds"] / max(record["units"], 1))
    return {like: median(seen) for like, seen in rates.items()}


def _reference_rates() -> dict[str, float]:
    """What the shipped suites' jobs took on two CPU cores, written by `python -m bench.cost RESULTS`."""
    rates: dict[str, float] = json.loads(REFERENCE.read_text()) if REFERENCE.is_file() else {}
    return rates


def likeness(kind: str, identity: Mapping[str, Any]) -> str:
    """What makes the work per unit alike, as a digest: the identity without seeds, data content and length of training."""
    ignored = {"seed", "data_seed", "samples_seed", "train", "val", "test", "degradation", "device"}
    like = {name: value for name, value in identity.items() if name not in ignored}
    if "budget" in like:
        like["budget"] = {name: value for name, value in like["budget"].items() if name != "iterations"}
    return hashlib.sha256(canonical({"kind": kind, "like": like}).encode()).hexdigest()[:16]


if __name__ == "__main__":
    measured = measured_rates(Store(Path(sys.argv[1])))
    REFERENCE.write_text(json.dumps({like: float(f"{rate:.3g}") for like, rate in sorted(measured.items())}, indent=0))
