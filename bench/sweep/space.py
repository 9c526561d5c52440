"""The space of a sweep as Optuna's distributions, and Optuna's parameters as values of a suite's fields."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from bench.job import canonical
from bench.sweep.config import Dimension

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Space: TypeAlias = Mapping[str, Dimension]
Values: TypeAlias = Mapping[str, Any]
"""Of fields, by their dotted paths."""

WITHIN = 0.3819660112501051
"""A share of a range at which no integer lies by chance: the golden section's."""


def distributions(space: Space) -> dict[str, BaseDistribution]:
    """What Optuna draws from, by field."""
    return {field: _distribution(dimension) for field, dimension in space.items()}


def _distribution(dimension: Dimension) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if dimension.choices is not None:
        return CategoricalDistribution([as_parameter(value) for value in dimension.choices])
    low, high, step = dimension.low, dimension.high, dimension.step
    assert low is not None
    assert high is not None
    if dimension.of_integers:
        return IntDistribution(int(low), int(high), log=dimension.log, step=int(step or 1))
    return FloatDistribution(float(low), float(high), log=dimension.log, step=None if step is None else float(step))


def as_parameter(value: Any) -> str | float | int | bool | None:
    """Optuna takes scalars only: lists and mappings are their JSON text."""
    return value if value is None or isinstance(value, (str, float, int)) else canonical(value)


def as_values(space: Space, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The fields' values that Optuna's parameters stand for, in the order of the space."""
    return {field: _as_value(dimension, parameters[field]) for field, dimension in space.items()}


def _as_value(dimension: Dimension, parameter: Any) -> Any:
    return next((value for value in dimension.choices or () if as_parameter(value) == parameter), parameter)


def grid(space: Space) -> dict[str, Sequence[Any]]:
    """Every value of each field; its dimensions have a step or choices."""
    return {field: _points(dimension) for field, dimension in space.items()}


def _points(dimension: Dimension) -> list[Any]:
    if dimension.choices is not None:
        return [as_parameter(value) for value in dimension.choices]
    low, high, step = dimension.low, dimension.high, dimension.step
    assert low is not None
    assert high is not None
    assert step is not None
    return [low + i * step for i in range(round((high - low) / step) + 1)]


def probes(dimension: Dimension) -> list[Any]:
    """Values that a field must take: all choices, or both ends and one between them."""
    if dimension.choices is not None:
        return list(dimension.choices)
    low, high, step = dimension.low, dimension.high, dimension.step
    assert low is not None
    assert high is not None
    between = low + WITHIN * (high - low) if step is None else low + step
    return [low, high, between]


def describe(dimension: Dimension) -> str:
    """`1 to 300, logarithmic`, `16 to 64 in steps of 16`, `'features', 'images'`."""
    if dimension.choices is not None:
        return ", ".join(repr(value) for value in dimension.choices)
    step = "" if dimension.step is None else f" in steps of {dimension.step}"
    return f"{dimension.low} to {dimension.high}{step}{', logarithmic' if dimension.log else ''}"


def short_names(fields: Sequence[str]) -> dict[str, str]:
    """For each field the shortest end of its path that no other has: `lambda_per` of `ugpnet.fusion.lambda_per`."""
    return {field: _short(field, [other for other in fields if other != field]) for field in fields}


def _short(field: str, others: Sequence[str]) -> str:
    parts = field.split(".")
    ends = (parts[i:] for i in range(len(parts) - 1, -1, -1))
    return next((".".join(end) for end in ends if not any(o.split(".")[-len(end) :] == end for o in others)), field)
