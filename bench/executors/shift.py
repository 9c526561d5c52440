"""What executors with several jobs under way share: who may begin, and what has become of each."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence

from bench.execute import Progress
from bench.executors.attempt import Attempt
from bench.executors.base import ALONE, Outcome, Watcher
from bench.failure import explain
from bench.job import Job
from bench.store import Store
from bench.train.interrupt import Interrupt, deferred

POLL_SECONDS = 0.5
"""Between two looks at whether the run is to stop."""


class Shift(ABC):
    """One run of an executor."""

    def __init__(self, store: Store, watcher: Watcher, outcome: Outcome) -> None:
        self.store = store
        self.watcher = watcher
        self.outcome = outcome

    def run(self, jobs: Sequence[Job]) -> Outcome:
        """What has become of the jobs, inputs first, and of what the outcome held. Ctrl-C and SIGTERM stop them all."""
        with deferred() as interrupt:
            try:
                self._work(sorted(jobs, key=lambda job: job.kind in ALONE), interrupt)
            finally:
                self.stop()
        return self.outcome

    @abstractmethod
    def under_way(self) -> Collection[Job]:
        """The jobs that were started and are not over."""

    @abstractmethod
    def has_room(self) -> bool:
        """Whether one more may be started."""

    @abstractmethod
    def start(self, job: Job) -> None: ...

    @abstractmethod
    def listen(self) -> None:
        """Wait for news, for `POLL_SECONDS` at most: pass on what jobs tell, conclude those that are over."""

    @abstractmethod
    def stop(self) -> None:
        """Ask every job to save and leave, and wait until it has."""

    def conclude(self, job: Job, tried: Attempt, seconds: float) -> None:
        if tried.failure is not None:
            self.outcome.failed[job.key] = tried.failure
            self.watcher.failed(job, tried.failure)
        else:
            (self.outcome.done if tried.worked else self.outcome.cached).append(job.key)
            self.watcher.finished(job, seconds)

    def pass_on(self, progress: Progress) -> str | None:
        """Why the job is to end, where the watcher raises: a sweep's does for a trial that falls behind."""
        try:
            self.watcher.progressed(progress)
        except Exception as error:
            return explain(error, progress.job, self.store)
        return None

    def _work(self, jobs: Sequence[Job], interrupt: Interrupt) -> None:
        """Until every job is done or failed. Raises what the interrupt asks for."""
        left = list(jobs)
        while left or self.under_way():
            left = [job for job in left if not self._begin(job)]
            self.listen()
            interrupt.obey()

    def _begin(self, job: Job) -> bool:
        """Whether the job needs no further thought: it runs now, or it cannot run any more."""
        if (blocked := self.outcome.blocked_by(job)) is not None:
            self.outcome.failed[job.key] = blocked
            return True
        if not self._may_begin(job):
            return False
        self.start(job)
        return True

    def _may_begin(self, job: Job) -> bool:
        if not {*self.outcome.done, *self.outcome.cached}.issuperset(job.inputs.values()):
            return False
        others = self.under_way()
        if job.kind in ALONE:
            return not others
        return self.has_room() and not any(other.kind in ALONE for other in others)
