"""Any architecture that BasicSR registers, by name and arguments, trained on pixels."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, ClassVar

from methods.base import Facts, suggest
from methods.recipes import basicsr
from methods.regression import RegressionConfig, RegressionMethod
from ugpnet.settings import Budget, RegressionTraining

if TYPE_CHECKING:
    from torch import nn

SCALE_ARGUMENTS = ("scale", "upscale")


class BasicSRConfig(RegressionConfig):
    """`arch` is the registered name, `arguments` are its constructor's; `scale` or `upscale` is the task's by default.

    The recipe is that of BasicSR's RRDBNet unless changed.
    """

    arch: str
    arguments: dict[str, Any] = {}
    training: RegressionTraining = basicsr.PIXELS
    budget: Budget = basicsr.BUDGET


class BasicSRMethod(RegressionMethod):
    version: ClassVar[int] = 1
    Config = BasicSRConfig
    config: BasicSRConfig
    facts: ClassVar[Facts] = Facts(
        title="An architecture of BasicSR", family="regression", code="https://github.com/XPixelGroup/BasicSR",
        licence="Apache-2.0",
    )  # fmt: skip

    def unsupported(self) -> str | None:
        if find_spec("basicsr") is None:
            return "BasicSR is not installed: pip install 'ugpnet-bench[basicsr]' (on Python 3.12 or older)"
        try:
            return self._unfit(self._architecture())
        except ImportError as error:
            return f"BasicSR cannot be imported: {error}"
        except LookupError as error:
            return str(error.args[0])

    def _unfit(self, architecture: Callable[..., nn.Module]) -> str | None:
        """Why the constructor would refuse the arguments, or its images would have the wrong size."""
        arguments = self._arguments(architecture)
        try:
            inspect.signature(architecture).bind(**arguments)
        except TypeError as error:
            return f"arguments: {self.config.arch}: {error}"
        scales = {name: arguments[name] for name in SCALE_ARGUMENTS if name in arguments}
        wrong = [f"{name} is {scale}" for name, scale in scales.items() if scale != self.task.scale]
        return f"arguments: {wrong[0]}, the task enlarges {self.task.scale} times" if wrong else None

    def _architecture(self) -> Callable[..., nn.Module]:
        from methods.networks.basicsr_registry import architectures

        known, name = architectures(), self.config.arch
        if name not in known:
            raise LookupError(f"arch: BasicSR registers no {name!r}{suggest(name, tuple(known))}")
        return known[name]

    def _arguments(self, architecture: Callable[..., nn.Module]) -> dict[str, Any]:
        own = [name for name in SCALE_ARGUMENTS if name in inspect.signature(architecture).parameters]
        return {**dict.fromkeys(own, self.task.scale), **self.config.arguments}

    def network(self) -> nn.Module:
        architecture = self._architecture()
        return architecture(**self._arguments(architecture))
