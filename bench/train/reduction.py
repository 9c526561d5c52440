"""From what each process of a team computed on its share of a batch to what the whole batch would have given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

from bench.errors import TrainingDiverged
from bench.team import Team
from ugpnet.recipe import Term


def sum_terms(team: Team, terms: Mapping[str, Term], share: float) -> Mapping[str, Term]:
    """The terms of the whole batch, detached, from those of this process' `share` of its images (0 to 1)."""
    values = team.add(torch.stack([share * term.value.detach().float() for term in terms.values()]))
    return {name: Term(term.weight, value) for (name, term), value in zip(terms.items(), values.unbind(), strict=True)}


def sum_gradients(team: Team, parameters: Sequence[nn.Parameter]) -> None:
    """Gradients become their sum over the processes, in one message; a parameter without one keeps none.

    Which parameters have a gradient may depend on the step, not on the images.
    """
    present = [parameter for parameter in parameters if parameter.grad is not None]
    if team.size == 1 or not present:
        return
    flat = team.add(torch.cat([_gradient(parameter).flatten() for parameter in present]))
    for parameter, part in zip(present, flat.split([parameter.numel() for parameter in present]), strict=True):
        _gradient(parameter).copy_(part.view_as(parameter))


def refuse_drift(team: Team, tensors: Iterable[Tensor], step: int) -> None:
    """Raises TrainingDiverged, in every process, unless all hold the same tensors: they get the same gradients."""
    if team.size == 1:
        return
    sums = torch.stack([tensor.detach().double().sum() for tensor in tensors]).cpu()
    apart = [rank for rank, other in enumerate(team.gather(sums)) if not torch.equal(sums, other)]
    if team.any(bool(apart)):
        raise TrainingDiverged(
            f"step {step}: the weights of {team.size} processes have come apart; train in one process"
        )


def _gradient(parameter: nn.Parameter) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad
