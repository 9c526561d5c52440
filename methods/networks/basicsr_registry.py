"""BasicSR's registry of architectures, imported beside a torchvision that it does not know."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import ModuleType

from torch import nn

REMOVED = "torchvision.transforms.functional_tensor"
"""BasicSR 1.4.2 takes one function from this module, which torchvision 0.17 removed."""


def architectures() -> dict[str, Callable[..., nn.Module]]:
    """Every registered architecture by name. Raises ImportError where BasicSR is missing or cannot be imported."""
    with _stand_in():
        registry = importlib.import_module("basicsr.archs").ARCH_REGISTRY
    # A name that another package registers too carries this suffix.
    return {name.removesuffix("_basicsr"): kind for name, kind in registry}


@contextmanager
def _stand_in() -> Iterator[None]:
    """The removed module, in place for the import only: nobody else is to take it for torchvision's."""
    if REMOVED in sys.modules or find_spec(REMOVED) is not None:
        yield
        return
    functional = importlib.import_module("torchvision.transforms.functional")
    module = ModuleType(REMOVED)
    module.rgb_to_grayscale = functional.rgb_to_grayscale  # type: ignore[attr-defined]
    sys.modules[REMOVED] = module
    try:
        yield
    finally:
        del sys.modules[REMOVED]
