"""Images that stay what they were when the plan was made: a result is not filed under data that it was not made from."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from bench.data.sources import Source
from bench.errors import DataError


@contextmanager
def unchanged(source: Source, fingerprint: str, label: str) -> Iterator[Source]:
    """`source`, whose fingerprint is this one when the block begins and still when it ends.

    What a training of days reads may be replaced meanwhile. Raises DataError, which begins with `label`, the job's.
    """
    _check(source, fingerprint, f"{label}: its images are not those that the plan was made of")
    yield source
    _check(source, fingerprint, f"{label}: its images were changed while it worked on them, so its result is not kept")


def _check(source: Source, fingerprint: str, problem: str) -> None:
    if source.fingerprint() != fingerprint:
        raise DataError(f"{problem}; put them back, or run the suite again with the new ones")
