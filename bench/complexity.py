"""How large a network is: parameters, multiply-accumulates and the peak of live tensor memory of one forward pass."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Complexity:
    """`parameters` of the inference network; `macs` of one forward pass (half of torch's flop counter);
    `peak_bytes` of tensors alive at once during it, weights not counted; `parts`: parameters by top-level module."""

    parameters: int
    macs: int
    peak_bytes: int
    parts: dict[str, int]


def count_parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def measure_complexity(module: nn.Module, image: Tensor) -> Complexity:
    """Complexity of `module(image)` on the image's device."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(image)
    parts = {name: count_parameters(child) for name, child in module.named_children()}
    peak = peak_memory(lambda: module(image), image.device)
    return Complexity(count_parameters(module), counter.get_total_flops() // 2, peak, parts)


def peak_memory(call: Callable[[], object], device: torch.device) -> int:
    """Bytes alive at the worst moment of `call`, beyond those alive before it."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        with torch.no_grad():
            call()
        torch.cuda.synchronize(device)
        return int(torch.cuda.max_memory_allocated(device)) - before
    with torch.no_grad(), _LiveTensors() as live:  # type: ignore[no-untyped-call]
        call()
    return int(live.peak)


class _LiveTensors(TorchDispatchMode):
    """Follows the storages that operators return until they are freed; scratch memory inside an operator is not seen."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.alive: dict[int, int] = {}
        self.now = self.peak = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        known = {leaf.untyped_storage()._cdata for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)}
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves(result):
            if isinstance(leaf, Tensor) and leaf.untyped_storage()._cdata not in known:
                self._follow(leaf)
        return result

    def _follow(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if storage._cdata in self.alive:
            return
        self.alive[storage._cdata] = storage.nbytes()
        self.now += storage.nbytes()
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, storage._cdata)

    def _forget(self, identity: int) -> None:
        self.now -= self.alive.pop(identity, 0)
