"""A suite: one YAML file, a profile laid over it, overrides on top, and the rows that come out of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

import methods
import methods.base
from bench import official
from bench.complaint import complaints
from bench.data.config import DataConfig
from bench.degradations import Operator, total_scale
from bench.document import Document, overlay, override, read_document
from bench.errors import BenchError, SuiteError
from bench.metrics.names import check_name
from bench.registry import Checkpoint
from bench.report.reference import Reference, read_reference
from bench.row import Row, WeightSource
from methods.base import Task, files, roles, suggest
from ugpnet.recipe import Config

ASSETS = Path(__file__).parent / "assets"
DEFAULT_PROFILE = "quick"


class DataSection(Config):
    """What is trained on, what weights are selected on, what the table is measured on."""

    train: DataConfig
    test: DataConfig
    val: DataConfig | None = None


class Ablation(Config):
    """A base row and named changes to it, each a row of its own, in the given order."""

    base: str
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
    """The fields of a suite file. `profiles` overlay the rest; `quick` is the file itself.

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
        """Relative data and weight paths are relative to the suite's folder."""
        return self.path.parent

    @property
    def task(self) -> Task:
        return Task(self.file.task, total_scale(self.file.degradation), self.size)

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
    document = read_document(path)
    document = override(_with_profile(document, profile, path), assignments)
    try:
        file = SuiteFile.model_validate(document)
    except ValidationError as error:
        raise SuiteError("\n".join(f"{path}: {line}" for line in complaints(error, SuiteFile))) from None
    suite = Suite(path, profile, file, (), document)
    return replace(suite, rows=_Resolver(path, file, suite.task).rows())


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


def _over_defaults(config: type[Config], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """`fields` laid over the method's own defaults at every depth: one learning rate changes, the rest stays published."""
    return _lay_over(config.model_construct().model_dump(mode="json"), fields)


def _lay_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    nested = {
        key: _lay_over(base[key], value)
        for key, value in over.items()
        if isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
    }
    return {**base, **over, **nested}


class _Resolver:
    """Turns the raw entries of `methods` and `components` into rows, following references between them."""

    def __init__(self, path: Path, file: SuiteFile, task: Task) -> None:
        self.path = path
        self.file = file
        self.task = task
        self.resolved: dict[str, Row] = {}
        self.open: list[str] = []

    def rows(self) -> tuple[Row, ...]:
        listed = [self.named(label) for label in self.file.methods]
        if self.file.baseline is not None and self.file.baseline not in self.file.methods:
            raise self._error(
                "baseline",
                f"no row is named {self.file.baseline!r}{suggest(self.file.baseline, tuple(self.file.methods))}",
            )
        return (*listed, *self._variants())

    def _variants(self) -> list[Row]:
        ablation = self.file.ablation
        if ablation is None:
            return []
        if ablation.base not in self.file.methods:
            raise self._error(
                "ablation.base", f"no row is named {ablation.base!r}{suggest(ablation.base, tuple(self.file.methods))}"
            )
        base = {"method": ablation.base, **(self.file.methods[ablation.base] or {})}
        return [
            self._row(f"{ablation.base}: {name}", overlay(base, change), f"ablation.variants.{name}", name)
            for name, change in ablation.variants.items()
        ]

    def named(self, label: str) -> Row:
        """The row or component of this name, resolved once."""
        if label in self.open:
            raise self._error(f"methods.{label}", f"refers to itself through {' -> '.join([*self.open, label])}")
        if label not in self.resolved:
            section = "methods" if label in self.file.methods else "components"
            entry = self.file.methods.get(label) or self.file.components.get(label) or {}
            self.open.append(label)
            self.resolved[label] = self._row(label, entry, f"{section}.{label}")
            self.open.pop()
        return self.resolved[label]

    def _row(self, label: str, entry: Mapping[str, Any], where: str, variant: str | None = None) -> Row:
        fields = dict(entry)
        name = str(fields.pop("method", label))
        kind = self._method(name, where)
        weights = self._weights(fields.pop("weights", None), name, f"{where}.weights")
        released = [source for source in weights.values() if isinstance(source, Checkpoint)]
        for checkpoint in released:
            fields = _lay_over(_lay_over(checkpoint.evaluation, checkpoint.config), fields)
        try:
            config = kind.Config.model_validate(_over_defaults(kind.Config, fields))
        except ValidationError as error:
            lines = complaints(error, kind.Config, where.split("."))
            raise SuiteError("\n".join(f"{self.path}: {line}" for line in lines)) from None
        found = {name: self._file(str(getattr(config, name)), f"{where}.{name}") for name in files(kind.Config)}
        config = config.model_copy(update=found)
        peers = {role: self._peer(getattr(config, role), f"{where}.{role}") for role in roles(kind.Config)}
        row = Row(label, name, config, weights, peers, variant)
        for checkpoint in released:
            self._check_fit(checkpoint, row, where)
        return row

    def _method(self, name: str, where: str) -> type[methods.base.Method]:
        try:
            return methods.load(name)
        except LookupError as error:
            raise self._error(where, str(error)) from None
        except ImportError as error:
            raise self._error(where, f"method {name!r} cannot be imported: {error}") from None

    def _peer(self, reference: str | Mapping[str, Mapping[str, Any] | str], where: str) -> Row:
        if isinstance(reference, str):
            if reference in self.file.methods or reference in self.file.components:
                return self.named(reference)
            return self._row(reference, {}, where)
        if len(reference) != 1:
            raise self._error(where, "name one method: `name` or `{name: {field: value}}`")
        [(name, fields)] = reference.items()
        return self._row(name, self._in_full(name, fields, f"{where}.{name}"), f"{where}.{name}")

    def _in_full(self, name: str, fields: Mapping[str, Any] | str, where: str) -> Mapping[str, Any]:
        """`{spandrel: a.pth}` is `{spandrel: {path: a.pth}}`."""
        if not isinstance(fields, str):
            return fields or {}
        field = self._method(name, where).shorthand
        if field is None:
            raise self._error(where, f"a mapping of fields is wanted, found {fields!r}")
        return {field: fields}

    def _weights(self, given: Any, method: str, where: str) -> dict[str, WeightSource]:
        sources: dict[str, WeightSource] = {}
        for stage, value in (given if isinstance(given, dict) else {"": given}).items():
            if official.is_official(value):
                sources |= self._released(value, method, str(stage), where)
            elif value not in (None, "train"):
                sources[str(stage)] = self._weights_file(value, where)
        return sources

    def _released(self, value: str, method: str, stage: str, where: str) -> dict[str, Checkpoint]:
        try:
            return official.choose(value, method, self.task, stage)
        except BenchError as error:
            raise self._error(where, str(error)) from None

    def _check_fit(self, checkpoint: Checkpoint, row: Row, where: str) -> None:
        """The row's own fields win over the checkpoint's, so they can contradict it."""
        for path, found, wanted in official.contradictions(checkpoint.config, row):
            remedy = "leave the field out or write `weights: train`"
            raise self._error(f"{where}.{path}", f"{checkpoint.file} needs {wanted!r}, found {found!r}; {remedy}")

    def _weights_file(self, value: Any, where: str) -> Path:
        if not isinstance(value, str):
            raise self._error(where, f"a path, `official`, `embedded:NAME` or `train` is wanted, found {value!r}")
        if value.startswith("embedded:"):
            name = value.removeprefix("embedded:")
            known = tuple(sorted(path.stem for path in ASSETS.glob("*.safetensors")))
            if name not in known:
                raise self._error(where, f"no embedded weights {name!r}{suggest(name, known)}")
            return ASSETS / f"{name}.safetensors"
        return self._file(value, where)

    def _file(self, value: str, where: str) -> Path:
        path = (self.path.parent / value).expanduser()
        if not path.is_file():
            raise self._error(where, f"no file {value!r} (looked in {path.parent})")
        return path.absolute()  # not resolved: a link may have the suffix that its target lacks

    def _error(self, where: str, problem: str) -> SuiteError:
        return SuiteError(f"{self.path}: {where}: {problem}")
