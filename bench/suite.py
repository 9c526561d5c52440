"""A suite: one YAML file, a profile laid over it, overrides on top, and the rows that come out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from bench.complaint import complaints
from bench.data.config import DataConfig
from bench.degradations import Operator, total_scale
from bench.document import Document, overlay, override
from bench.errors import BenchError, SuiteError
from bench.inheritance import read_extended
from bench.metrics.names import check_name
from bench.report.model import MAIN_TEST
from bench.report.reference import Reference, read_reference
from bench.resolve import Resolver
from bench.row import Row
from bench.sweep.config import Sweep
from bench.train.execution import Logger
from methods.base import Task, suggest
from ugpnet.settings import Config

DEFAULT_PROFILE = "quick"


class DataSection(Config):
    """What is trained on, what weights are selected on, what the table is measured on.

    `ood` names further test sets, out of the distribution that was trained on: every row is measured on them as well,
    and what it loses there is reported. Relative paths are relative to `root`, which is relative to the suite's folder.
    `scale` is how many times smaller the degraded images are that a source brings along (`paired`).
    """

    root: str = "."
    scale: int = Field(1, ge=1)

    train: DataConfig
    test: DataConfig
    val: DataConfig | None = None
    ood: dict[Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]*$")], DataConfig] = {}

    @field_validator("ood")
    @classmethod
    def _other(cls, sets: dict[str, DataConfig]) -> dict[str, DataConfig]:
        if taken := sets.keys() & {"train", "val", MAIN_TEST}:
            raise ValueError(f"{min(taken)!r} is taken; give this test set another name")
        return sets

    def tests(self) -> dict[str, DataConfig]:
        """Every test set by its name, the main one first."""
        return {MAIN_TEST: self.test, **self.ood}


class Ablation(Config):
    """A base row, or several, and named changes to each, every one a row of its own, in the given order."""

    base: str | tuple[str, ...]
    variants: dict[str, dict[str, Any]]


class Measure(Config):
    """Complexity and timing: one input of `size` pixels a side (the task's size if None), `batch` images at a time."""

    size: int | None = None
    batch: int = Field(1, ge=1)
    warmup: int = Field(3, ge=0)
    repeats: int = Field(20, ge=1)


class Figures(Config):
    """What the comparison figure shows: image ids (None: chosen where methods differ most) and the distance measure."""

    images: tuple[str, ...] | None = None
    count: int = Field(3, ge=1)
    perception: str | None = None


class SuiteFile(Config):
    """The fields of a suite file. `profiles` overlay the rest; `quick` is the file itself. A file may begin from another
    with `extends: other.yaml`, over which it is laid, profile over profile.

    Without `data` and metrics a suite only measures what its methods cost.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")
    task: Literal["deblur", "denoise", "sr", "prior"]
    seed: int = Field(777, ge=0)
    seeds: tuple[int, ...] = (777,)
    data: DataSection | None = None
    degradation: tuple[Operator, ...] = ()
    metrics: tuple[str, ...] = ("psnr", "ssim")
    components: dict[str, dict[str, Any] | None] = {}
    methods: dict[str, dict[str, Any] | None] = Field(min_length=1)
    ablation: Ablation | None = None
    baseline: str | None = None
    reference: str | None = None
    measure: Measure | None = Measure()
    figures: Figures = Figures()
    loggers: tuple[Logger, ...] = ()
    sweep: Sweep | None = None
    profiles: dict[str, dict[str, Any]] = {}

    @field_validator("metrics")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        for name in names:
            try:
                check_name(name)
            except BenchError as error:
                raise ValueError(str(error)) from None
        return names

    @model_validator(mode="after")
    def _measurable(self) -> SuiteFile:
        if self.data is None and self.metrics:
            raise ValueError("data: wanted for the metrics; a suite that only measures costs says `metrics: []`")
        if self.data is None and (self.measure is None or self.measure.size is None):
            raise ValueError("measure.size: wanted where there is no data to take the size from")
        return self

    @field_validator("seeds")
    @classmethod
    def _some(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if not seeds or len(set(seeds)) < len(seeds) or min(seeds) < 0:
            raise ValueError("give at least one seed, each once, none negative")
        return seeds


@dataclass(frozen=True)
class Suite:
    """A resolved suite: what the plan is made from."""

    path: Path
    profile: str
    file: SuiteFile
    rows: tuple[Row, ...]
    document: Document

    @property
    def root(self) -> Path:
        """Relative paths of weights, of published values and of `data.root` are relative to the suite's folder."""
        return self.path.parent

    @property
    def data_root(self) -> Path:
        """What relative paths of images are relative to. Raises SuiteError for a home (`~name`) that nobody has."""
        try:
            return self.root / Path(self.data().root).expanduser()
        except RuntimeError as error:
            raise SuiteError(f"{self.path}: data.root: {error}") from None

    @property
    def task(self) -> Task:
        brought = 1 if self.file.data is None else self.file.data.scale
        return Task(self.file.task, total_scale(self.file.degradation) * brought, self.size)

    @property
    def size(self) -> int:
        """Of the ground truth's side in pixels, 0 where images come as they are."""
        data, measure = self.file.data, self.file.measure
        if data is None:
            return (measure and measure.size) or 0
        return getattr(data.test, "size", None) or getattr(data.train, "size", None) or 0

    def data(self) -> DataSection:
        """Raises SuiteError in a suite that only measures costs."""
        if self.file.data is None:
            raise SuiteError(f"{self.path}: data: this suite has none")
        return self.file.data

    def reference(self) -> Reference | None:
        """The published values that the table shows. Raises SuiteError where their file is damaged."""
        return None if self.file.reference is None else read_reference(self.root / self.file.reference)


def load_suite(path: Path, profile: str = DEFAULT_PROFILE, assignments: Sequence[str] = ()) -> Suite:
    """The suite with its profile and overrides applied. Raises SuiteError: file, YAML path, problem, suggestion."""
    document = _with_profile(read_extended(path), profile, path)
    return build_suite(path, profile, override(document, assignments))


def build_suite(path: Path, profile: str, document: Document) -> Suite:
    """The suite that a document says whose profile is laid over. Raises SuiteError as `load_suite` does."""
    try:
        file = SuiteFile.model_validate(document)
    except ValidationError as error:
        raise SuiteError("\n".join(f"{path}: {line}" for line in complaints(error, SuiteFile))) from None
    suite = Suite(path, profile, file, (), document)
    return replace(suite, rows=_rows(suite))


def _rows(suite: Suite) -> tuple[Row, ...]:
    file = suite.file
    resolver = Resolver(suite.path, suite.task, file.methods, file.components)
    rows = resolver.rows()
    if file.baseline is not None:
        resolver.listed(file.baseline, "baseline")
    if file.ablation is not None:
        rows = _with_variants(resolver, rows, file.ablation)
    return tuple(rows)


def _with_variants(resolver: Resolver, rows: Sequence[Row], ablation: Ablation) -> list[Row]:
    """Each base followed by its variants."""
    bases = (ablation.base,) if isinstance(ablation.base, str) else ablation.base
    variants = {base: resolver.variants(base, ablation.variants) for base in bases}
    return [each for row in rows for each in (row, *variants.get(row.label, ()))]


def _with_profile(document: Document, profile: str, path: Path) -> Document:
    profiles = document.pop("profiles", None) or {}
    if not isinstance(profiles, dict):
        raise SuiteError(f"{path}: profiles: a mapping of profile names is wanted, found {type(profiles).__name__}")
    if profile not in profiles and profile != DEFAULT_PROFILE:
        raise SuiteError(
            f"{path}: profiles: unknown profile {profile!r}{suggest(profile, (DEFAULT_PROFILE, *profiles))}"
        )
    chosen = profiles.get(profile) or {}
    if not isinstance(chosen, dict):
        raise SuiteError(f"{path}: profiles.{profile}: a mapping of suite fields is wanted")
    return overlay(document, chosen)
