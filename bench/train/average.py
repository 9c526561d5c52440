"""Exponential moving averages of parameters (EMA)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average:
    """Averages of the trained parameters of some networks, begun as a copy (the convention of BasicSR).

    Buffers and frozen parameters have no average: the live ones are used. Make it once the networks are on
    their final device.
    """

    def __init__(self, networks: nn.ModuleDict, decays: Mapping[str, float]) -> None:
        missing = [name for name in decays if name not in networks]
        if missing:
            raise ValueError(f"average names {missing}, but the recipe has {list(networks)}")
        self._decays = dict(decays)
        self._live = {name: _trained(networks[name]) for name in decays}
        self._mean = {name: _copied(live) for name, live in self._live.items()}

    def update(self) -> None:
        """mean <- decay * mean + (1 - decay) * parameter; once per step."""
        for name, decay in self._decays.items():
            mean, live = list(self._mean[name].values()), list(self._live[name].values())
            if live:
                get_ema_multi_avg_fn(decay)(mean, live, 0)  # type: ignore[no-untyped-call]

    @contextmanager
    def swapped(self) -> Iterator[None]:
        """The networks hold their averages inside the block, and their own parameters again after it."""
        self._swap()
        try:
            yield
        finally:
            self._swap()

    def _swap(self) -> None:
        for name, live in self._live.items():
            for key, parameter in live.items():
                mean = self._mean[name][key]
                parameter.data, mean.data = mean.data, parameter.data

    def tensors(self) -> dict[str, Tensor]:
        """The averages themselves, not copies, named `<network>.<parameter>`."""
        return {f"{name}.{key}": tensor for name, mean in self._mean.items() for key, tensor in mean.items()}


def _copied(parameters: Mapping[str, nn.Parameter]) -> dict[str, Tensor]:
    return {key: parameter.detach().clone() for key, parameter in parameters.items()}


def _trained(network: nn.Module) -> dict[str, nn.Parameter]:
    return {key: parameter for key, parameter in network.named_parameters() if parameter.requires_grad}
