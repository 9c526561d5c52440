"""Damaged results are found before they are used, and their jobs are done again in the same run. Light: no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.job import Job, Kind
from bench.store import Store

TABLES: Mapping[Kind, str] = {"score": "rows.parquet", "measure": "measure.json", "train": "log.parquet"}
"""What every run reads of a result."""

PICTURES: frozenset[Kind] = frozenset(("pairs", "restore"))
"""What a run reads, too, when it draws its report."""


def discard_damaged(jobs: Sequence[Job], store: Store, drawn: bool) -> dict[str, list[str]]:
    """The damaged files by the key of their job, whose result is discarded and so to be done again.

    Looked at is what will be used: the inputs of jobs that are to be done, what the report reads, and, where it is `drawn` or
    something is to be done, the images. A finished run so costs a few small files, not the digests of all weights and images.
    `jobs` are ordered, inputs first.
    """
    found: dict[str, list[str]] = {}
    drawn = drawn or not all(store.has(job.key) for job in jobs)
    for job in reversed(jobs):  # users first: an input that is discarded needs its own inputs
        names = [TABLES[job.kind]] if job.kind in TABLES else None
        if (names or (drawn and job.kind in PICTURES)) and (files := store.discard_damaged(job.key, names)):
            found[job.key] = files
        if not store.has(job.key):
            found |= {key: files for key in job.inputs.values() if (files := store.discard_damaged(key))}
    return found
