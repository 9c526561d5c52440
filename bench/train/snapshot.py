"""A training as a checkpoint, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from bench.errors import StoreError
from bench.train.checkpoint import Checkpoint
from bench.train.log import Row
from bench.train.training import Best, Training, on_cpu
from ugpnet.recipe import Recipe


def take(training: Training, seconds: float) -> Checkpoint:
    """Everything that the steps to come depend on, of a training that was checked to be worth it."""
    tensors = {**_live(training), **_under("window", training.log.open_window())}
    for index, updater in enumerate(training.updaters):
        tensors |= _under(f"optimiser{index}", updater.state())
    best, scaler = training.best, training.accelerator.scaler
    for name, weights in (best.weights if best else {}).items():
        tensors |= _under(f"best.{name}", weights)
    state = {
        **_identity(training),
        "seconds": seconds,
        "rows": training.log.rows,
        "parts": training.parts,
        "best": [best.step, best.psnr] if best else None,
        "scaler": scaler.state_dict() if scaler else None,
    }
    return Checkpoint(training.done, {name: on_cpu(tensor) for name, tensor in tensors.items()}, state)


def put_back(training: Training, checkpoint: Checkpoint) -> float:
    """Continue from `checkpoint`: the seconds that it took to get there.

    Raises StoreError where it was made with another seed or budget, or by a recipe with other tensors.
    """
    _check_identity(training, checkpoint)
    _check_tensors(training, checkpoint)
    saved, state = checkpoint.tensors, checkpoint.state
    with torch.no_grad():
        for name, tensor in _live(training).items():
            tensor.copy_(saved[name])
    for index, updater in enumerate(training.updaters):
        updater.load_state(_within(f"optimiser{index}", saved))
    window = {name: values.to(training.device) for name, values in _within("window", saved).items()}
    training.log.resume((Row(*row) for row in state["rows"]), window)
    if state["best"]:
        step, psnr = state["best"]
        training.best = Best(step, psnr, _by_network(_within("best", saved)))
    if training.accelerator.scaler:
        training.accelerator.scaler.load_state_dict(state["scaler"])
    training.parts = state.get("parts", 1)
    training.done = checkpoint.step
    return float(state["seconds"])


def _live(training: Training) -> dict[str, Tensor]:
    """The tensors that steps change in place."""
    return _under("recipe", _changing(training.recipe)) | _under("average", training.average.tensors())


def _changing(recipe: Recipe) -> dict[str, Tensor]:
    """All of the networks, and every other buffer: other parameters (a perceptual loss) have no optimiser."""
    state: Mapping[str, Tensor] = recipe.state_dict(keep_vars=True)
    return {k: v for k, v in state.items() if k.startswith("networks.") or not isinstance(v, nn.Parameter)}


def _identity(training: Training) -> dict[str, Any]:
    return {"seed": training.seed, "budget": training.budget.model_dump(mode="json")}


def _check_identity(training: Training, checkpoint: Checkpoint) -> None:
    for name, ours in _identity(training).items():
        if checkpoint.state[name] != ours:
            raise StoreError(
                f"checkpoint at step {checkpoint.step}: made with {name} {checkpoint.state[name]}, but this "
                f"run has {ours}; give it a folder of its own, or delete the old one"
            )


def _check_tensors(training: Training, checkpoint: Checkpoint) -> None:
    saved = {k: v.shape for k, v in checkpoint.tensors.items() if k.startswith(("recipe.", "average."))}
    live = {k: v.shape for k, v in _live(training).items()}
    differing = sorted(name for name in saved.keys() | live.keys() if saved.get(name) != live.get(name))
    if differing:
        raise StoreError(
            f"checkpoint at step {checkpoint.step}: made by another version of the recipe ({len(differing)} "
            f"tensors differ, first {differing[0]}); delete the run's folder to start again"
        )


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": tensor for name, tensor in tensors.items()}


def _within(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    start = f"{prefix}."
    return {name.removeprefix(start): tensor for name, tensor in tensors.items() if name.startswith(start)}


def _by_network(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    weights: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        network, key = name.split(".", 1)  # torch forbids a dot in a module's name
        weights.setdefault(network, {})[key] = tensor
    return weights
