"""A trained network ready for a user's images."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn

from bench.errors import BenchError, WeightsError
from methods.base import Method, Prior, Upstream
from ugpnet.checkpoints import CheckpointMismatch
from ugpnet.model import UGPNet
from ugpnet.nn.regressor import Regressor

PARTS = ("x_reg", "x_syn")
"""The images inside a UGPNet, by their names in the paper."""


@dataclass(frozen=True)
class Restorer:
    """`network`, in eval mode: lq (1,3,h,w) -> (1,3k,h*scale,w*scale), the restored image, then those named by `parts`.

    `side` is the only height and width of lq that it takes, None if it takes any. `origin` says where the weights are from.
    """

    label: str
    origin: str
    network: nn.Module
    scale: int
    side: int | None
    parts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def images(self) -> int:
        """How many images the network gives at once."""
        return 1 + len(self.parts)

    def with_parts(self) -> Restorer:
        """The same, giving the images inside a UGPNet too. Raises BenchError for any other method."""
        if not isinstance(self.network, UGPNet):
            raise BenchError(f"--save-parts: {self.label} has no {' and '.join(PARTS)}; only ugpnet has")
        return replace(self, network=WithParts(self.network).eval(), parts=PARTS)


class WithParts(nn.Module):
    """x_hat, x_reg and x_syn of a UGPNet, one after the other along the channels."""

    def __init__(self, model: UGPNet) -> None:
        super().__init__()
        self.model = model

    def forward(self, lq: Tensor) -> Tensor:
        parts = self.model.parts(lq)
        return torch.cat([parts.x_hat, parts.x_reg, parts.x_syn], dim=1)


def from_method(method: Method, label: str, origin: str, upstream: Upstream, notes: tuple[str, ...] = ()) -> Restorer:
    """The method's restorer. Raises WeightsError where weights do not fit, BenchError where it cannot do the task."""
    if isinstance(method, Prior):
        raise BenchError(f"{label}: a generative prior restores nothing; name a row that restores")
    if reason := method.unsupported():
        raise BenchError(f"{label}: {reason}")
    try:
        network = method.restorer(upstream).eval()
    except CheckpointMismatch as error:
        raise WeightsError(f"{origin}: {error}") from None
    side = None if method.any_size else method.task.size // method.task.scale
    return Restorer(label, origin, network, method.task.scale, side, (), notes)


def from_model(model: UGPNet, origin: str) -> Restorer:
    """A UGPNet of the library; its generator decides the size."""
    scale = cast(Regressor, model.restoration).scale
    return Restorer("ugpnet", origin, model, scale, model.config.generator.out_size // scale)
