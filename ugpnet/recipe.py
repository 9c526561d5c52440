"""What a training recipe is: plain data and one abstract module, so that any loop can run it.

A recipe owns the networks, says who is optimised (players) and computes each player's losses. It knows nothing of
devices, files or data sets. Everything random is drawn from the batch's generator or from torch's global generator,
which the loop seeds at every step; running means are buffers: a resumed run so equals an uninterrupted one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from ugpnet.settings import Budget, Config, Flip, Optim, Schedule

__all__ = [
    "Batch",
    "Budget",
    "Config",
    "Flip",
    "Optim",
    "Player",
    "Recipe",
    "Schedule",
    "Shared",
    "Term",
    "View",
    "Weights",
]

Weights: TypeAlias = Mapping[str, Mapping[str, Tensor]]
"""State dicts by network name, averaged (EMA) where the recipe keeps an average."""

Shared: TypeAlias = Mapping[str, Any]
"""What one forward pass leaves for the players of the same step; its graph is alive for one of them."""


@dataclass(frozen=True)
class Player:
    """One optimiser step: which networks it moves, how, and on which steps (`step % every == 0`).

    `optim` may be given per network name. Players that list the same `networks` share one optimiser, which is how a
    lazy regulariser gets a step of its own. `clip_norm` is the global gradient norm.
    """

    name: str
    networks: tuple[str, ...]
    optim: Optim | Mapping[str, Optim]
    every: int = 1
    clip_norm: float | None = None


@dataclass(frozen=True)
class Term:
    """A weighted scalar of a player's objective: it minimises the sum of `weight * value`."""

    weight: float
    value: Tensor


@dataclass(frozen=True)
class View:
    """Which image of the data a pair shows, by its id, and the flips that were made of it, in their order."""

    image: str
    flips: tuple[Flip, ...] = ()


@dataclass(frozen=True)
class Batch:
    """`lq` (B,3,h,w) and `gt` (B,3,H,W), RGB in [0, 1]; H = h * scale. A pure function of (seed, step).

    `generator` is a CPU generator seeded by (seed, step) for whatever the recipe draws itself. `views` tells pair by
    pair what is shown, for recipes that know more of an image than its pixels; () where the images have no names.
    """

    lq: Tensor
    gt: Tensor
    generator: torch.Generator = field(default_factory=torch.Generator)
    views: tuple[View, ...] = ()


class Recipe(nn.Module):
    """A training run's networks, players and losses. See `ugpnet.stages` for three of them."""

    networks: nn.ModuleDict
    players: tuple[Player, ...]
    average: Mapping[str, float]
    """Exponential moving average of parameters: network name -> decay per step. Buffers are copied."""

    def __init__(
        self, networks: Mapping[str, nn.Module], players: tuple[Player, ...], average: Mapping[str, float] | None = None
    ) -> None:
        super().__init__()
        self.networks = nn.ModuleDict(dict(networks))
        self.players = players
        self.average = dict(average or {})

    @property
    def separable(self) -> bool:
        """Whether the one player's every term is a mean over images of what depends on that image alone: no statistics of the
        batch, nothing drawn, nothing kept. Then a batch's gradient is the mean of those of its parts, which need less memory.
        """
        return False

    @abstractmethod
    def forward(self, batch: Batch, step: int) -> Shared:
        """Run once per step, before any player; `{}` if each player needs a fresh pass."""

    @abstractmethod
    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        """The player's objective. The loop has set `requires_grad` to False on every other player's networks."""

    @abstractmethod
    def restore(self, lq: Tensor) -> Tensor:
        """Restored images (B,3,H,W) in eval mode, for validation; recipes of a pure prior raise TypeError."""
