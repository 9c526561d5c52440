"""From `Optim` and `Schedule` to torch: optimisers per player, learning rates as a function of the step."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ugpnet.recipe import Player
from ugpnet.settings import Optim, Schedule


def factor(schedule: Schedule, step: int, iterations: int) -> float:
    """Learning rate at `step` (0-based) over the base rate, of a run of `iterations` steps.

    Warm-up runs at 1/warmup, 2/warmup, ..., 1; everything else counts from its end, milestones included.
    `cosine` stays at `floor` after `total` steps, where torch's CosineAnnealingLR rises again; otherwise the
    values are those of MultiStepLR, CosineAnnealingLR and CosineAnnealingWarmRestarts, eta_min = floor * lr.
    """
    if step < schedule.warmup:
        return (step + 1) / schedule.warmup
    step -= schedule.warmup
    total = schedule.total or max(iterations - schedule.warmup, 1)
    if schedule.kind == "multistep":
        return schedule.gamma ** sum(step >= milestone for milestone in schedule.milestones)
    if schedule.kind == "cosine":
        return _half_cosine(min(step / total, 1.0), schedule.floor)
    if schedule.kind == "cosine_restarts":
        return _half_cosine(step % total / total, schedule.floor)
    return 1.0


def _half_cosine(position: float, floor: float) -> float:
    return floor + (1.0 - floor) * (1.0 + math.cos(math.pi * position)) / 2.0


@dataclass(frozen=True)
class Updater:
    """One torch optimiser and, per parameter group, the configuration that it was made from."""

    optimiser: torch.optim.Optimizer
    configs: tuple[Optim, ...]

    @property
    def parameters(self) -> list[nn.Parameter]:
        return [parameter for group in self.optimiser.param_groups for parameter in group["params"]]

    def set_rates(self, step: int, iterations: int) -> None:
        for group, config in zip(self.optimiser.param_groups, self.configs, strict=True):
            group["lr"] = config.lr * factor(config.schedule, step, iterations)

    def state(self) -> dict[str, Tensor]:
        """Moments and step counts, named `<parameter index>.<quantity>`; empty before the first step."""
        state: Mapping[int, Mapping[str, Tensor]] = self.optimiser.state_dict()["state"]
        return {f"{index}.{name}": tensor for index, entry in state.items() for name, tensor in entry.items()}

    def load_state(self, tensors: Mapping[str, Tensor]) -> None:
        state: dict[int, dict[str, Tensor]] = defaultdict(dict)
        for key, tensor in tensors.items():
            index, name = key.split(".", 1)
            state[int(index)][name] = tensor.clone()
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": dict(state), "param_groups": groups})


def build_updaters(players: Sequence[Player], networks: nn.ModuleDict) -> tuple[Updater, ...]:
    """One updater per player, the same object for players that list the same networks.

    Parameters that do not require a gradient are left out for good. Raises ValueError where a player names a
    network that does not exist, has nothing to train, or disagrees with the player whose optimiser it shares.
    """
    made: dict[frozenset[str], tuple[Player, Updater]] = {}
    updaters = []
    for player in players:
        key = frozenset(player.networks)
        owner, updater = made.get(key) or (player, _build(player, networks))
        if owner.optim != player.optim:
            raise ValueError(f"{owner.name!r} and {player.name!r} share networks: give both the same optim")
        made[key] = owner, updater
        updaters.append(updater)
    return tuple(updaters)


def _build(player: Player, networks: nn.ModuleDict) -> Updater:
    missing = [name for name in player.networks if name not in networks]
    if missing:
        raise ValueError(f"player {player.name!r} lists {missing}, but the recipe has {list(networks)}")
    if isinstance(player.optim, Mapping):
        configs = tuple(player.optim[name] for name in player.networks)
        groups = [_trainable([networks[name]]) for name in player.networks]
    else:
        configs = (player.optim,)
        groups = [_trainable(networks[name] for name in player.networks)]
    if not all(groups):
        raise ValueError(f"player {player.name!r} has a network without a parameter that requires a gradient")
    return Updater(_optimiser(player.name, configs, groups), configs)


def _trainable(networks: Iterable[nn.Module]) -> list[nn.Parameter]:
    """In order, each once: two networks may share a module."""
    parameters = (parameter for network in networks for parameter in network.parameters())
    return [parameter for parameter in dict.fromkeys(parameters) if parameter.requires_grad]


def _optimiser(player: str, configs: Sequence[Optim], groups: Sequence[list[nn.Parameter]]) -> torch.optim.Optimizer:
    names = {config.name for config in configs}
    if len(names) > 1:
        raise ValueError(f"player {player!r} mixes {sorted(names)}: make it two players")
    options = [
        {"params": group, "lr": config.lr, "betas": config.betas, "eps": config.eps,
         "weight_decay": config.weight_decay}
        for group, config in zip(groups, configs, strict=True)
    ]  # fmt: skip
    return torch.optim.AdamW(options) if names == {"adamw"} else torch.optim.Adam(options)
