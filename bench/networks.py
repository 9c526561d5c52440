"""Every method's network as shapes only: built on torch's meta device, which allocates nothing and takes milliseconds."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args, get_origin

import methods
from bench.errors import SuiteError
from bench.resolve import lone_row
from methods.base import Method, Prior, Task, names
from ugpnet.settings import Config

if TYPE_CHECKING:
    from torch import nn

PUBLISHED = (Task("deblur", 1, 512), Task("denoise", 1, 512), Task("sr", 8, 512), Task("prior", 1, 512))
"""The tasks of the paper at the size of its images."""


@dataclass(frozen=True)
class Variant:
    """A method's published configuration, or one with a top-level choice changed; `label` names the change."""

    method: str
    label: str
    fields: dict[str, Any]


def published(name: str, fields: dict[str, Any] | None = None) -> list[Method]:
    """The method at each of the tasks that it supports; none where its config needs values or refuses `fields`.

    Only priors are asked for the task `prior`.
    """
    try:
        row, is_prior = lone_row(name, fields), issubclass(methods.load(name), Prior)
    except SuiteError:
        return []
    tasks = [task for task in PUBLISHED if (task.name == "prior") == is_prior]
    with without_memory():
        built = [row.build(task) for task in tasks]
        return [method for method in built if method.unsupported() is None]


def without_memory() -> AbstractContextManager[object]:
    """Inside, networks that methods build to learn something of them allocate nothing.

    Where nothing has imported torch yet, nothing is built: methods whose plans need a network import torch with their file.
    """
    if "torch" not in sys.modules:
        return nullcontext()
    import torch

    return torch.device("meta")


def shapes(method: Method) -> nn.Module | None:
    """The method's network on the meta device; None where it needs values or files to be built."""
    import torch

    try:
        with torch.device("meta"):
            return method.network()
    except (RuntimeError, OSError):
        return None


def variants() -> Iterator[Variant]:
    """Every method with its defaults, then with each other value of its choices (`Literal` fields), one at a time."""
    for name in names():
        yield Variant(name, name, {})
        for field, value in _choices(methods.load(name).Config):
            yield Variant(name, f"{name} with {field}={value}", {field: value})


def _choices(config: type[Config]) -> Iterator[tuple[str, Any]]:
    for name, field in config.model_fields.items():
        if get_origin(field.annotation) is Literal:
            yield from ((name, value) for value in get_args(field.annotation) if value != field.default)
