"""News of a job on its way to the driver: often enough for eyes and pruners, not once a step."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable

from bench.execute import Progress
from bench.executors.cluster.errand import Letter
from bench.job import Job

QUIET_SECONDS = 0.5
"""At least, between two letters that say no more than how far a job is."""


class Correspondent:
    """Writes the letters of one job."""

    def __init__(self, job: Job, post: Callable[[Letter], None]) -> None:
        self._key = job.key
        self._post = post
        self._latest: dict[str, float] = {}
        self._posted = time.monotonic()
        self.written = 0

    def begin(self) -> None:
        self._write(None)

    def tell(self, progress: Progress) -> None:
        """The end and every new value, which a sweep may decide upon, are always told."""
        latest, now = dict(progress.latest), time.monotonic()
        over = progress.done == progress.total
        if over or latest != self._latest or now - self._posted >= QUIET_SECONDS:
            self._latest, self._posted = latest, now
            self._write((progress.done, progress.total, progress.text, latest))

    def _write(self, news: tuple[int, int, str, dict[str, float]] | None) -> None:
        self.written += 1
        self._post((self._key, self.written, platform.node(), news))
