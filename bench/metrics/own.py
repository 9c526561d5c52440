"""A user's own metric, named by the dotted path of its module: `mylab.edges`."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING, Any

from bench.errors import BenchError

if TYPE_CHECKING:
    from bench.metrics.base import ImageMetric, SetMetric

DESCRIBED = ("label", "decimals", "higher_is_better", "protocol")
"""What such a class says of itself; `protocol_for` makes it a metric of whole sets."""


def is_own(name: str) -> bool:
    return "." in name and not name.startswith("pyiqa.")


def find_metric(name: str) -> type[Any]:
    """The one metric class of the module `name`.

    Raises BenchError where the module cannot be imported, has no class that scores or several, or where the class does
    not say all of `DESCRIBED`.
    """
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        raise BenchError(f"metric '{name}': cannot be imported: {error}") from None
    found = [
        item for item in vars(module).values() if inspect.isclass(item) and _scores(item) and item.__module__ == name
    ]
    if len(found) != 1:
        raise BenchError(
            f"metric '{name}': its module defines {len(found)} classes with `score`; exactly one is wanted"
        )
    if lacking := [field for field in DESCRIBED if not hasattr(found[0], field)]:
        raise BenchError(f"metric '{name}': {found[0].__name__} does not say its {', '.join(lacking)}")
    return found[0]


def create_own(name: str) -> ImageMetric | SetMetric:
    """The metric under the name that suites call it by."""
    metric: Any = find_metric(name)()
    metric.name = name
    return metric  # type: ignore[no-any-return]


def _scores(item: type[Any]) -> bool:
    return callable(getattr(item, "score", None))
