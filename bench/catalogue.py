"""What `bench methods` tells: every method's facts, tasks, size and weights, and one method in full."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

import methods
from bench import weights
from bench.errors import BenchError
from bench.networks import published, shapes, without_memory
from bench.registry import PARAMETERS, WeightFile
from methods.base import Facts, Method, PeerField, Stage, names
from ugpnet.settings import Budget, Config, Optim, Schedule

REQUIRED = "to be given"
FAMILIES = ("input", "regression", "generative", "hybrid", "prior")


@dataclass(frozen=True)
class Entry:
    """A method in its published configuration at 512 px; an adapter without one has no `tasks` and `parameters`."""

    name: str
    facts: Facts
    tasks: tuple[str, ...]
    parameters: int | None
    weights: tuple[WeightFile, ...]


@dataclass(frozen=True)
class Field:
    """A field of a config: its path as `--set` wants it after the method's name, its default, what else it takes."""

    path: str
    default: str
    values: str


@dataclass(frozen=True)
class Sheet:
    """One method in full. `extra`: parts whose weights are neither trained nor a peer's, and how they can be had."""

    entry: Entry
    about: str
    fields: tuple[Field, ...]
    stages: tuple[Stage, ...]
    extra: dict[str, str]
    notes: tuple[str, ...]


def list_methods() -> list[Entry]:
    """All methods, by family and name."""
    entries = [_entry(name, published(name)) for name in names()]
    return sorted(entries, key=lambda entry: (FAMILIES.index(entry.facts.family), entry.name))


def describe(name: str) -> Sheet:
    """The sheet of one method, also of one outside this repository by its dotted path. Raises BenchError: unknown."""
    try:
        kind = methods.load(name)
    except LookupError as error:
        raise BenchError(str(error)) from None
    built = published(name)
    with without_memory():
        stages = tuple(stage for stage in built[0].stages() if isinstance(stage, Stage)) if built else ()
    return Sheet(
        _entry(name, built), inspect.cleandoc(kind.Config.__doc__ or ""), tuple(_fields(kind.Config)), stages,
        _extra(built[0], stages) if built else {}, built[0].notes() if built else (),
    )  # fmt: skip


def _entry(name: str, built: list[Method]) -> Entry:
    tasks = tuple(dict.fromkeys(method.task.name for method in built))
    return Entry(name, methods.load(name).facts, tasks, _parameters(name, built), weights.released(name))


def _parameters(name: str, built: list[Method]) -> int | None:
    if not built or name in PARAMETERS:
        return PARAMETERS.get(name)
    from bench.complexity import count_parameters

    network = shapes(built[0])
    return None if network is None else count_parameters(network)


def _extra(method: Method, stages: tuple[Stage, ...]) -> dict[str, str]:
    own = {stage.name for stage in stages} | set(method.peers)
    wanted = dict.fromkeys(need for stage in stages for need in stage.needs if need not in own)
    return {need: _whereabouts(need) for need in wanted}


def _whereabouts(need: str) -> str:
    try:
        return f"here: {weights.locate(need)}"
    except BenchError as error:
        return str(error)


def _fields(config: type[Config], prefix: str = "", defaults: Config | None = None) -> Iterator[Field]:
    """Every field, those of inner configs under their names; budgets are left to the stages, optimisers kept short."""
    for name, field in config.model_fields.items():
        default = field.default if defaults is None else getattr(defaults, name)
        if isinstance(default, Budget) or field.annotation is Budget:
            continue
        if isinstance(default, Config) and not isinstance(default, (Optim, Schedule)):
            yield from _fields(type(default), f"{prefix}{name}.", default)
        else:
            yield Field(prefix + name, REQUIRED if field.is_required() else _text(default), _values(field))


def _text(default: Any) -> str:
    """A default as YAML on one line; of a config what differs from its class, and any learning rate."""
    if isinstance(default, Config):
        shown = {*default.model_dump(exclude_defaults=True), "lr"}
        return _text({name: getattr(default, name) for name in type(default).model_fields if name in shown})
    if isinstance(default, (tuple, list)):
        return f"[{', '.join(map(_text, default))}]"
    if isinstance(default, dict):
        return f"{{{', '.join(f'{name}: {_text(value)}' for name, value in default.items())}}}"
    if isinstance(default, float):
        return f"{default:.6g}"
    if default is None:
        return "null"
    return str(default).lower() if isinstance(default, bool) else str(default)


def _values(field: FieldInfo) -> str:
    if any(isinstance(mark, PeerField) for mark in field.metadata):
        return "a row or component"
    return " | ".join(dict.fromkeys(_kinds(field.annotation)))


def _kinds(annotation: Any) -> Iterator[str]:
    """What a field takes, in words."""
    origin = get_origin(annotation)
    if origin is Literal:
        yield from map(str, get_args(annotation))
    elif origin in (Union, UnionType):
        for option in get_args(annotation):
            yield from _kinds(option)
    elif origin in (tuple, list):
        yield f"[{', '.join(_kinds(get_args(annotation)[0]))}, ...]"
    elif origin is dict:
        yield "mapping"
    else:
        words = {
            type(None): "null",
            Optim: "optimiser",
            bool: "true | false",
            str: "text",
            float: "number",
            int: "integer",
        }
        yield words.get(annotation, getattr(annotation, "__name__", str(annotation)))
