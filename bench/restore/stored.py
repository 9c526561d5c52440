"""The restorer that a run trained: its row and weights are in the store beside the run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import methods
from bench.errors import BenchError, StoreError
from bench.restore.restorer import Restorer, from_method
from bench.row import from_spec
from bench.store import Store
from bench.storekeeping.runs import MANIFEST, read_manifest
from bench.suite import SuiteFile
from bench.weightfile import load_weights
from methods.base import Task, suggest
from ugpnet.recipe import Weights


def from_run(folder: Path, row: str | None) -> Restorer:
    """The network of one row, first seed; `row` may be None where only one has weights.

    Raises BenchError: no run, no such row, a row that did not finish, weights that were damaged or deleted.
    """
    manifest, store = _manifest(folder), Store(folder.resolve().parent.parent)
    keys = _restore_keys(manifest)
    label = row or _only_trained(folder, keys, store)
    if label not in keys:
        raise BenchError(f"{folder}: this run has no row {label!r}{suggest(label, tuple(keys))}")
    done = [key for key in keys[label] if store.has(key)]
    if not done:
        why = next(
            (manifest["failed"][key] for key in keys[label] if key in manifest["failed"]), "its results are gone"
        )
        raise BenchError(f"{folder}: row {label!r} cannot be used: {why}; run the suite again")
    first = (manifest["suite"].get("seeds") or SuiteFile.model_fields["seeds"].default)[0]
    key = next((key for key in done if _seed(store, key) == first), done[0])
    record = store.record(key)
    upstream = {need: _weights(store, made) for need, made in record["inputs"].items()}
    spec = record["identity"]["row"]
    method = from_spec(spec).build(Task(**record["identity"]["task"]))
    return from_method(method, label, str(folder), upstream, _notes(spec))


def _manifest(folder: Path) -> Mapping[str, Any]:
    path = folder / MANIFEST
    if not path.is_file():
        runs = sorted(str(found.parent) for found in folder.glob(f"*/{MANIFEST}"))
        hint = f"runs in it: {', '.join(runs)}" if runs else "give the folder that `bench run` names at its end"
        raise BenchError(f"--run {folder}: no {MANIFEST} there; {hint}")
    return read_manifest(path)


def _restore_keys(manifest: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """The keys of the restore jobs, one per seed, by row."""
    keys: dict[str, list[str]] = defaultdict(list)
    for key, job in manifest["jobs"].items():
        if job["kind"] == "restore" and job["label"].endswith(" restore"):  # not those on further test sets
            keys[job["label"].removesuffix(" restore")].append(key)
    return dict(keys)


def _only_trained(folder: Path, keys: Mapping[str, Sequence[str]], store: Store) -> str:
    trained = [
        label for label, made in keys.items() if any(store.has(key) and store.record(key)["inputs"] for key in made)
    ]
    if len(trained) != 1:
        raise BenchError(f"{folder}: say which row with --row; it has {', '.join(sorted(keys)) or 'none'}")
    return trained[0]


def _seed(store: Store, key: str) -> int | None:
    """The seed of the trainings behind a restore job; None where all weights are from elsewhere."""
    made = [store.record(need)["identity"] for need in store.record(key)["inputs"].values() if store.has(need)]
    return next((identity["seed"] for identity in made if "seed" in identity), None)


def _weights(store: Store, key: str) -> Weights:
    if not store.has(key) or store.damaged(key):
        remedy = f"`bench store check --repair {key}`, then run the suite again"
        raise StoreError(f"{store.path(key)}: the weights are gone or damaged; {remedy}")
    return load_weights(store.path(key) / "weights.safetensors")


def _notes(spec: Mapping[str, Any]) -> tuple[str, ...]:
    name, now = spec["method"], methods.load(spec["method"]).version
    if spec["version"] == now:
        return ()
    return (f"{name} was at version {spec['version']} in this run and is at {now}: results differ from the run's",)
