"""The `train` job: one stage of one method, from data and upstream weights to its own weights."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import torch
from pydantic import TypeAdapter

from bench.data.config import DataConfig
from bench.data.pairs import Pairs, TrainingBatches
from bench.data.sources import open_source
from bench.data.unchanged import unchanged
from bench.degradations import Operator
from bench.errors import OutOfMemory, Unavailable
from bench.execute import Progress, Workplace
from bench.failure import is_out_of_memory
from bench.job import BATCH_PARTS, Job
from bench.row import from_spec
from bench.team import Team, join_team
from bench.train import checkpoint
from bench.train.loggers import open_trackers
from bench.train.loop import Fitted, fit
from bench.train.tracking import Trackers
from bench.weightfile import load_weights, save_weights
from methods.base import Method, Stage, Task
from ugpnet.recipe import Recipe
from ugpnet.settings import Config


def train_stage(job: Job, place: Workplace) -> Mapping[str, Any]:
    """Write `weights.safetensors` and `log.parquet` (step, name, value).

    In a team every process calls this, and the first alone writes.
    """
    team = join_team(place.execution.device == "cpu")
    method, stage = _method_and_stage(job.spec)
    with ExitStack() as stack:
        stack.enter_context(_named_memory(job, method, stage))
        # The first one before the others: it fills the caches that they read.
        for turn in range(min(team.size, 2)):
            with team.together():
                if turn == min(team.rank, 1):
                    work = _prepare(stage, job, place, team, stack)
        fitted = fit(
            work.recipe, work.batches, stage.budget, place.folder, seed=job.spec["seed"], execution=place.execution,
            validate=partial(mean_psnr, work.validation, team=team) if work.validation else None,
            trackers=work.trackers, team=team,
            on_step=lambda now: place.tell(Progress(job, now.step, now.total, now.text, now.latest)),
        )  # fmt: skip
    if team.leads:
        _write(fitted, place.folder)
    parts = {BATCH_PARTS: fitted.parts} if fitted.parts > 1 else {}
    several = {"processes": team.size} if team.size > 1 else {}
    return {"seconds_training": fitted.seconds, "peak_memory": fitted.peak_memory, **parts, **several}


@dataclass(frozen=True)
class _Work:
    """What a training reads."""

    recipe: Recipe
    batches: TrainingBatches
    validation: Pairs | None
    trackers: Trackers


def _prepare(stage: Stage, job: Job, place: Workplace, team: Team, stack: ExitStack) -> _Work:
    """Open until `stack` is closed. Raises what opening data raises, Unavailable where there are more processes than images."""
    budget = stage.budget
    if budget.batch_size < team.size:
        raise Unavailable(
            f"{job.label}: a batch of {budget.batch_size} images for {team.size} processes; start as many at most"
        )
    trackers = stack.enter_context(open_trackers(job, place)) if team.leads else Trackers()
    training = _pairs("train", job, place, stack)
    batches = TrainingBatches(training, job.spec["seed"], budget.batch_size, budget.patch, budget.flips, team)
    validation = _pairs("val", job, place, stack) if job.spec["val"] else None
    return _Work(_recipe(stage, job, place), batches, validation, trackers)


def _write(fitted: Fitted, folder: Path) -> None:
    save_weights(folder / "weights.safetensors", fitted.weights)
    pd.DataFrame(fitted.log, columns=["step", "name", "value"]).to_parquet(folder / "log.parquet", index=False)
    checkpoint.clear(folder)


def _method_and_stage(spec: Mapping[str, Any]) -> tuple[Method, Stage]:
    method = from_spec(spec["row"]).build(Task(**spec["task"]))
    stages = (stage for stage in method.stages() if isinstance(stage, Stage) and stage.name == spec["stage"])
    return method, next(stages)


@contextmanager
def _named_memory(job: Job, method: Method, stage: Stage) -> Iterator[None]:
    """Where memory ends inside the block, the error names the suite's fields that say how much is needed."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        row, budget = job.label.removesuffix(f" {stage.name}"), stage.budget
        images = f"{budget.batch_size} images" + (f" of {budget.patch} px" if budget.patch else "")
        field = ".".join((row, *(_path_to(budget, method.config) or ("budget",))))
        raise OutOfMemory(
            f"{job.label}: out of memory at batches of {images}; lower {field}.batch_size or {field}.patch, "
            "for other weights, or run it where there is more memory"
        ) from error


def _path_to(wanted: Config, config: Config) -> tuple[str, ...] | None:
    """The fields that lead from `config` to `wanted`, an object inside it."""
    for name in type(config).model_fields:
        inner = getattr(config, name)
        if inner is wanted:
            return (name,)
        if isinstance(inner, Config) and (rest := _path_to(wanted, inner)) is not None:
            return (name, *rest)
    return None


def _recipe(stage: Stage, job: Job, place: Workplace) -> Recipe:
    """The recipe with its networks drawn from a seed of this stage alone, so that stages do not disturb each other."""
    upstream = {need: load_weights(place.input(job, need) / "weights.safetensors") for need in stage.needs}
    with torch.random.fork_rng():
        torch.manual_seed(zlib.crc32(f"{job.spec['row']['method']}/{stage.name}/{job.spec['seed']}".encode()))
        return stage.recipe(upstream)


def _pairs(name: Literal["train", "val"], job: Job, place: Workplace, stack: ExitStack) -> Pairs:
    """Degraded images of one of the job's data sets, which may not change before `stack` is closed."""
    config: DataConfig = TypeAdapter(DataConfig).validate_python(job.spec[name])
    source = open_source(config, Path(job.spec["root"]), place.store.cache)
    if name in job.identity:  # not where nothing is validated
        stack.enter_context(unchanged(source, job.identity[name], job.label))
    operators = TypeAdapter(tuple[Operator, ...]).validate_python(job.spec["operators"])
    return Pairs(source, operators, job.spec["data_seed"])


def mean_psnr(pairs: Pairs, recipe: Recipe, team: Team = Team()) -> float:
    """PSNR in dB on 8-bit values, averaged over the images of `pairs`, of which each process of a team restores its part."""
    device = next(recipe.parameters()).device
    values = torch.zeros(len(pairs))
    for index in team.places(len(pairs)):
        lq, gt = pairs.pair(index)
        restored = recipe.restore(lq[None].to(device))[0].float().cpu()
        difference = (restored.clamp(0, 1) * 255).round() - (gt * 255).round()
        values[index] = 10 * torch.log10(255**2 / difference.square().mean().clamp_min(1e-10))
    return float(team.add(values).mean())
