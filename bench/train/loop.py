"""The one training loop. Read `fit`: it is the order of events of every run.

A step is: seed, shared forward pass, the players in order, averages (`training.Training.step`). All networks
but the player's own have `requires_grad` False from its `losses` to the end of its backward pass; what the
recipe's author froze stays frozen. A player without terms skips its step. `recipe.train()` is called once, at
the start: a recipe with parts that stay in eval mode overrides `train`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from bench.errors import TeamBroken, TrainingDiverged
from bench.team import Team
from bench.train import checkpoint, snapshot
from bench.train.batches import BatchSource, stream
from bench.train.device import open_accelerator, peak_memory, reproducible, reset_peak_memory
from bench.train.execution import Execution
from bench.train.interrupt import STOPPING, Interrupt, deferred
from bench.train.log import Row
from bench.train.tracking import Trackers
from bench.train.training import Training
from ugpnet.recipe import Recipe, Weights
from ugpnet.settings import Budget

__all__ = ["BatchSource", "Execution", "Fitted", "Progress", "Row", "fit"]


@dataclass(frozen=True)
class Progress:
    """After `step` of `total` steps; `latest` is the newest logged value by name, at most one window old."""

    step: int
    total: int
    seconds: float
    latest: Mapping[str, float]

    @property
    def text(self) -> str:
        return "  ".join(f"{name} {value:.4g}" for name, value in self.latest.items())


@dataclass(frozen=True)
class Fitted:
    """What a run made. `weights` are those after `step` completed steps; `seconds` count all resumed parts.

    `peak_memory` is in bytes, of the last part: of tensors on a GPU, of the process on a CPU. In so many `parts` were the last
    batches, for want of memory.
    """

    weights: Weights
    step: int
    log: Sequence[Row]
    seconds: float
    peak_memory: int
    parts: int = 1


def fit(
    recipe: Recipe,
    batches: BatchSource,
    budget: Budget,
    run_dir: Path,
    *,
    seed: int,
    execution: Execution = Execution(),
    validate: Callable[[Recipe], float] | None = None,
    on_step: Callable[[Progress], None] | None = None,
    trackers: Trackers | None = None,
    team: Team = Team(),
) -> Fitted:
    """Train `recipe` for `budget.iterations` steps, going on from the newest checkpoint in `run_dir`, if any.

    A run that was stopped and resumed returns the same bits as one that was not, with any number of loaders
    (on a GPU: if `execution.deterministic`, on the same machine). Its checkpoints stay until
    `checkpoint.clear(run_dir)`. `validate` returns a PSNR in dB and is called every `budget.validate_every`
    steps and after the last. `trackers` are told every row of the log, before a checkpoint holds it. `recipe` is trained in
    place and ends with its last, not averaged, weights.

    Every process of a `team` calls this with its share of the batches and returns the same. The first alone writes
    checkpoints, and only its `on_step` and `trackers` are told; `validate` is to return the same number in all.

    Raises TrainingDiverged where a loss or weight is not finite, StoreError where the checkpoint is another
    run's, Unavailable where the device or precision is missing; KeyboardInterrupt or SystemExit, after a
    checkpoint, when the process, or one of its team, is asked to stop; TeamBroken where it fails in the middle of a step, in
    which the others cannot go on.
    """
    if budget.select == "best_psnr" and not (validate and budget.validate_every):
        raise ValueError("budget.select best_psnr needs budget.validate_every and a validate function")
    accelerator = open_accelerator(budget.precision, execution.device)
    with reproducible(execution.deterministic, accelerator.device), deferred() as interrupt:
        training = Training(recipe, budget, seed, accelerator, team)
        reset_peak_memory(training.device)
        autosave = Autosave(training, run_dir, execution)
        trackers = trackers or Trackers()
        trackers.start(training.log.rows, training.done)
        steps = range(training.done, budget.iterations)
        with closing(stream(batches, steps, execution.loaders, training.device, team)) as arriving:
            for step, batch in arriving:
                with _in_step(team, step):
                    training.step(batch, step)
                    if _due(training, execution.log_every):
                        training.log.close_window(training.done)
                    if validate is not None and budget.validate_every and _due(training, budget.validate_every):
                        training.validate(validate)
                trackers.tell(training.log.rows)
                if _save_now(team, interrupt, autosave):
                    autosave.save()
                interrupt.obey()
                with team.together():
                    if on_step is not None:
                        _report(training, autosave, on_step)
    best = training.best
    return Fitted(
        weights=best.weights if best else training.weights(),
        step=best.step if best else training.done,
        log=training.log.rows,
        seconds=autosave.seconds,
        peak_memory=peak_memory(training.device),
        parts=training.parts,
    )


class Autosave:
    """Resumes the training, then tells when its next checkpoint is due."""

    def __init__(self, training: Training, run_dir: Path, execution: Execution) -> None:
        self._training = training
        self._run_dir = run_dir
        self._execution = execution
        found = checkpoint.load(run_dir)
        before = snapshot.put_back(training, found) if found else 0.0
        self._saved_step = training.done
        self._saved_at = time.monotonic()
        self._began = self._saved_at - before

    @property
    def seconds(self) -> float:
        """Time spent on the run so far, all its parts together."""
        return time.monotonic() - self._began

    def due(self) -> bool:
        done, execution = self._training.done, self._execution
        if done == self._training.budget.iterations:
            return True
        if execution.checkpoint_every and done % execution.checkpoint_every == 0:
            return True
        limit = execution.checkpoint_seconds
        return limit is not None and time.monotonic() - self._saved_at >= limit

    def save(self) -> None:
        if self._training.done > self._saved_step:
            self._training.check()
            with self._training.team.together():
                if self._training.team.leads:
                    checkpoint.save(self._run_dir, snapshot.take(self._training, self.seconds))
            self._saved_step = self._training.done
            self._saved_at = time.monotonic()


def _save_now(team: Team, interrupt: Interrupt, autosave: Autosave) -> bool:
    """Whether a process of the team finds a checkpoint due, or is asked to stop: then all of them are."""
    due = autosave.due()
    if team.size > 1:  # one message for all that is asked
        flags = team.add(torch.tensor([due, *(interrupt.received is number for number in STOPPING)], dtype=torch.int))
        due, *asked = flags.bool().tolist()
        interrupt.received = next((number for number, up in zip(STOPPING, asked, strict=True) if up), None)
    return due or interrupt.received is not None


@contextmanager
def _in_step(team: Team, step: int) -> Iterator[None]:
    """A process that fails here alone ends at once, for the others wait for its gradients and whoever started all ends them."""
    try:
        yield
    except TrainingDiverged:  # of sums that all processes have
        raise
    except Exception as error:
        if team.size == 1:
            raise
        raise TeamBroken(f"process {team.rank} of {team.size} failed in step {step}: {error}") from error


def _due(training: Training, every: int) -> bool:
    return training.done % every == 0 or training.done == training.budget.iterations


def _report(training: Training, autosave: Autosave, on_step: Callable[[Progress], None]) -> None:
    now = Progress(training.done, training.budget.iterations, autosave.seconds, training.log.latest)
    try:
        on_step(now)
    except KeyboardInterrupt:
        autosave.save()
        raise
