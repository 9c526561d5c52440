"""A training in progress: everything that a step changes, and the step itself."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import add

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from bench.errors import TrainingDiverged
from bench.failure import is_out_of_memory
from bench.team import Team
from bench.train.average import Average
from bench.train.batches import split
from bench.train.device import preserved_rng, release_memory, seed_layers
from bench.train.log import LossLog, Row
from bench.train.optim import Updater, build_updaters
from bench.train.reduction import refuse_drift, sum_gradients, sum_terms
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term, Weights
from ugpnet.settings import Budget


@dataclass(frozen=True)
class Turn:
    """A player, what moves its networks, and the parameters that stand still meanwhile."""

    player: Player
    updater: Updater
    others: tuple[nn.Parameter, ...]


@dataclass(frozen=True)
class Best:
    """The weights that scored highest so far; `step` counts completed steps, `psnr` is in dB."""

    step: int
    psnr: float
    weights: Weights


class Training:
    """The state after `done` steps. Moves `recipe` to the accelerator's device and into training mode."""

    def __init__(
        self, recipe: Recipe, budget: Budget, seed: int, accelerator: Accelerator, team: Team = Team()
    ) -> None:
        self.recipe = recipe.to(accelerator.device)
        self.recipe.train()
        self.recipe.zero_grad()
        self.budget = budget
        self.seed = seed
        self.accelerator = accelerator
        self.team = team
        self.device: torch.device = accelerator.device
        self.turns = _turns(recipe)
        self.updaters = tuple(dict.fromkeys(turn.updater for turn in self.turns))
        self.average = Average(recipe.networks, recipe.average)
        self.log = LossLog(_checks(self.device))
        self.best: Best | None = None
        self._separable = recipe.separable
        self._buffers = tuple(recipe.buffers())
        self.parts = 1
        self.done = 0

    def step(self, batch: Batch, step: int) -> None:
        """One shared forward pass, then every player whose turn it is, then the averages."""
        seed_layers(self.seed, step, self.device, self.team.rank)
        if self._separable:
            self._play_in_parts(self.turns[0], batch, step)
        else:
            with self.accelerator.autocast():
                shared = self.recipe(batch, step)
            for turn in self.turns:
                if step % turn.player.every == 0:
                    self._play(turn, batch, shared, step)
            self.team.copy(self._buffers)
        self.average.update()
        self.done = step + 1

    def _play_in_parts(self, turn: Turn, batch: Batch, step: int) -> None:
        """The one player's optimiser step, the batch in `parts`: 1, twice as many whenever memory ends, at last images."""
        terms = self._accumulate(turn, batch, step)
        while self.team.any(terms is None):
            self.parts = min(2 * self.parts, self.budget.batch_size)
            turn.updater.optimiser.zero_grad()
            release_memory(self.device)
            terms = self._accumulate(turn, batch, step)
        assert terms is not None
        self._record(step, turn, terms, self._share(batch))
        self._update(turn, step)

    def _accumulate(self, turn: Turn, batch: Batch, step: int) -> Mapping[str, Term] | None:
        """The batch's terms, their gradient left with the parameters; None where memory ended and parts can be smaller."""
        whole: dict[str, Term] = {}
        try:
            for part in split(batch, self.parts):
                share = len(part.gt) / len(batch.gt)
                with _frozen(turn.others):
                    with self.accelerator.autocast():
                        terms = self.recipe.losses(turn.player.name, part, self.recipe(part, step), step)
                        total = _total(terms) * (share * self._share(batch))
                    self.accelerator.backward(total)
                for name, term in terms.items():
                    before = whole[name].value if name in whole else 0.0
                    whole[name] = Term(term.weight, before + term.value.detach() * share)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error) or self.parts >= len(batch.gt):
                raise
            return None
        return whole

    def _play(self, turn: Turn, batch: Batch, shared: Shared, step: int) -> None:
        """One optimiser step of one player; none if it has no terms at this step.

        The backward pass frees its graph, as `loss.backward()` does: that in `shared` serves one player only.
        """
        # The others are frozen for the backward pass too, or a shared graph would leave gradients with them.
        with _frozen(turn.others):
            with self.accelerator.autocast():
                terms = self.recipe.losses(turn.player.name, batch, shared, step)
            if not terms:
                return
            self._record(step, turn, terms, self._share(batch))
            self.accelerator.backward(_total(terms) * self._share(batch))
        self._update(turn, step)

    def _share(self, batch: Batch) -> float:
        """Of the images of the step, this process' part: 1 where there is one process."""
        return 1.0 if self.team.size == 1 else len(batch.gt) / self.budget.batch_size

    def _record(self, step: int, turn: Turn, terms: Mapping[str, Term], share: float) -> None:
        whole = terms if self.team.size == 1 else sum_terms(self.team, terms, share)
        self.log.record(step, turn.player.name, whole, _total(whole))

    def _update(self, turn: Turn, step: int) -> None:
        """Sum the gradients over the team, clip, step."""
        optimiser, scaler = turn.updater.optimiser, self.accelerator.scaler
        sum_gradients(self.team, turn.updater.parameters)
        if turn.player.clip_norm is not None:
            self.accelerator.unscale_gradients(optimiser)
            nn.utils.clip_grad_norm_(turn.updater.parameters, turn.player.clip_norm)
        turn.updater.set_rates(step, self.budget.iterations)
        # The torch optimiser itself: accelerate's wrapper looks for optional packages at every step (0.1 ms).
        if scaler is None:
            optimiser.step()
        else:
            scaler.step(optimiser)
            scaler.update()
        optimiser.zero_grad()

    def validate(self, score: Callable[[Recipe], float]) -> None:
        """Log the score (dB) of the averaged weights in eval mode; keep the best if the budget asks for them.

        Modes and random state are restored. Raises TrainingDiverged where the score is not a number.
        """
        self.log.check()
        with self.average.swapped(), _evaluating(self.recipe), torch.no_grad(), preserved_rng(self.device):
            psnr = float(score(self.recipe))
        if math.isnan(psnr):
            raise TrainingDiverged(f"step {self.done}: the validation PSNR is nan; lower the learning rate")
        self.log.add(Row(self.done, "validation/psnr", psnr))
        if self.budget.select == "best_psnr" and (self.best is None or psnr > self.best.psnr):
            self.best = Best(self.done, psnr, self.weights())

    def weights(self) -> Weights:
        """Copies on the CPU of every network's state dict, averaged where the recipe averages."""
        with self.average.swapped():
            return {
                name: {key: on_cpu(tensor) for key, tensor in network.state_dict().items()}
                for name, network in self.recipe.networks.items()
            }

    def check(self) -> None:
        """Raises TrainingDiverged if a loss since the last check, or a trained weight now, is not finite, or if the processes
        of the team hold other weights.
        """
        self.log.check()
        refuse_drift(self.team, (weight for turn in self.turns for weight in turn.updater.parameters), self.done)
        for turn in self.turns:
            finite = torch.stack([weight.isfinite().all() for weight in turn.updater.parameters])
            if not bool(finite.all()):
                raise TrainingDiverged(
                    f"step {self.done}, player {turn.player.name!r}: its losses are finite, its weights are "
                    "not; lower the learning rate or clip the gradient norm"
                )


def _total(terms: Mapping[str, Term]) -> Tensor:
    total: Tensor = reduce(add, (term.weight * term.value for term in terms.values()))
    return total


def on_cpu(tensor: Tensor) -> Tensor:
    """A contiguous copy that shares no memory with `tensor` or anything else."""
    return tensor.detach().to("cpu", copy=True).contiguous()


def _checks(device: torch.device) -> int:
    """Objectives between two looks at the losses: a look makes the host wait for a GPU, not for a CPU."""
    return 1 if device.type == "cpu" else 100


def _turns(recipe: Recipe) -> tuple[Turn, ...]:
    trained = [parameter for parameter in recipe.parameters() if parameter.requires_grad]
    turns = []
    for player, updater in zip(recipe.players, build_updaters(recipe.players, recipe.networks), strict=True):
        own = set(updater.parameters)
        others = tuple(parameter for parameter in trained if parameter not in own)
        turns.append(Turn(player, updater, others))
    return tuple(turns)


@contextmanager
def _frozen(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """`parameters`, all of which require a gradient, do not inside the block."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@contextmanager
def _evaluating(recipe: Recipe) -> Iterator[None]:
    """Every module in eval mode, then back in its own mode, which need not be the recipe's."""
    modes = [(module, module.training) for module in recipe.modules()]
    recipe.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
