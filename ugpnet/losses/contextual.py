"""Contextual loss (Mechrez et al., arXiv 1803.02077) as UGPNet weights it, without N x N graphs.

Cosine distances d_ij between centred features of x (position i) and y (position j) become affinities `A_ij =
softmax_j(-d_ij / (h (min_j d_ij + 1e-5)))`. Every j takes its best i, the winner, with affinity A_j at
distance d_j:

    CX = sum_j c_j A_j / sum_j c_j,  c_j = exp((1 - d_j) / 0.5),  loss = mean over samples of -log(CX + 1e-5).

The original takes the plain mean over j; the released UGPNet weights it by c_j.

The gradient is made in the forward pass, a block of affinities at a time, so nothing of size N x N outlives
its block. A sample larger than a block is read twice: winners are found without a graph, then the winning
rows alone are pulled back, for no other row carries a gradient.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

_EPS = 1e-5
_MATCH_BAND = 0.5
"""Band of c_j: a constant of the released code, independent of `band_width`."""

_Wanted: TypeAlias = tuple[bool, bool]
"""Whether x's and y's gradients are needed."""


def contextual_loss(x: Tensor, y: Tensor, band_width: float = 0.5) -> Tensor:
    """Scalar contextual loss of features x (B,C,H,W) towards y (B,C,H',W'), differentiable once in both.

    Features are centred by y's channel means over batch and space. Half precision and autocast compute in
    float32.
    """
    with torch.autocast(x.device.type, enabled=False):
        y = _at_least_float32(y)
        return contextual_losses(x, y, y.mean((0, 2, 3)), band_width).mean()


def contextual_losses(x: Tensor, y: Tensor, centre: Tensor, band_width: float = 0.5) -> Tensor:
    """`contextual_loss` per sample (B,), for features centred by the given channel means (C,)."""
    unit_x, unit_y = (_unit(_at_least_float32(features), centre) for features in (x, y))
    similarity: Tensor = _Similarity.apply(unit_x, unit_y, band_width)
    return -torch.log(similarity + _EPS)


def _at_least_float32(features: Tensor) -> Tensor:
    return features if features.dtype == torch.float64 else features.float()


def _unit(features: Tensor, centre: Tensor) -> Tensor:
    return F.normalize(features - centre.view(1, -1, 1, 1), dim=1).flatten(2)


class _Similarity(torch.autograd.Function):
    """CX (B,) of unit features x (B,C,M) and y (B,C,N); backward only scales gradients made in forward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, band_width: float) -> Tensor:
        ctx.wanted = ctx.needs_input_grad[:2]
        size = x.shape[2] * y.shape[2]
        similarity = _whole if size <= _block_elements(x.device) else _blockwise
        blocks = _blocks(len(x), size, x.device)
        results = [similarity(x[block], y[block], band_width, ctx.wanted) for block in blocks]
        values, gradients = zip(*results, strict=True)
        ctx.save_for_backward(*(torch.cat(parts) for parts in zip(*gradients, strict=True)))
        return torch.cat(values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        saved = iter(ctx.saved_tensors)
        return *(next(saved) * grad.view(-1, 1, 1) if wanted else None for wanted in ctx.wanted), None


def _block_elements(device: torch.device) -> int:
    """Affinities held at a time: what fits a core's cache, or what fills a GPU (4 and 32 MiB of float32)."""
    return 2**20 if device.type == "cpu" else 2**23


def _blocks(count: int, elements: int, device: torch.device) -> Iterator[slice]:
    step = max(1, _block_elements(device) // elements)
    return (slice(start, start + step) for start in range(0, count, step))


def _affinities(x: Tensor, y: Tensor, band_width: float) -> Tensor:
    """A (B,N,M): column i holds A_i."""
    distance = 1 - y.mT @ x
    nearest = distance.amin(1, keepdim=True)
    return (distance * (-1 / (band_width * (nearest + _EPS)))).softmax(1)


def _winning_distance(x: Tensor, y: Tensor, winner: Tensor) -> Tensor:
    return 1 - (x.gather(2, winner.unsqueeze(1).expand_as(y)) * y).sum(1)


def _weigh(affinity: Tensor, distance: Tensor) -> Tensor:
    """CX (B,) of the winners' affinities and distances (B,N)."""
    weight = torch.exp((1 - distance) / _MATCH_BAND)
    return (weight * affinity).sum(1) / weight.sum(1)


def _leaves(wanted: _Wanted, x: Tensor, y: Tensor) -> tuple[list[Tensor], list[Tensor]]:
    """x and y as new leaves, and those of them to differentiate."""
    both = [tensor.detach().requires_grad_(want) for tensor, want in zip((x, y), wanted, strict=True)]
    return both, [tensor for tensor in both if tensor.requires_grad]


def _whole(x: Tensor, y: Tensor, band_width: float, wanted: _Wanted) -> tuple[Tensor, tuple[Tensor, ...]]:
    """CX (B,) and its gradients with respect to the wanted of (x, y), from one graph."""
    (x, y), inputs = _leaves(wanted, x, y)
    with torch.set_grad_enabled(any(wanted)):
        affinity, winner = _affinities(x, y, band_width).max(2)
        value = _weigh(affinity, _winning_distance(x, y, winner))
    return value.detach(), torch.autograd.grad(value, inputs, torch.ones_like(value)) if inputs else ()


def _blockwise(x: Tensor, y: Tensor, band_width: float, wanted: _Wanted) -> tuple[Tensor, tuple[Tensor, ...]]:
    """`_whole` for one sample (1,C,M), (1,C,N) of more than a block."""
    affinity, winner = _search(x, y, band_width)
    with torch.enable_grad():
        matches = affinity.requires_grad_(), _winning_distance(x, y, winner).requires_grad_()
        value = _weigh(*matches)
    if not any(wanted):
        return value.detach(), ()
    pull = torch.autograd.grad(value, matches, torch.ones_like(value))
    return value.detach(), _pull_back(x, y, band_width, winner, pull, wanted)


def _search(x: Tensor, y: Tensor, band_width: float) -> tuple[Tensor, Tensor]:
    """Each winner's affinity and position (1,N)."""
    best = x.new_full((1, y.shape[2]), -1.0)
    winner = torch.zeros_like(best, dtype=torch.long)
    for block in _blocks(x.shape[2], y.shape[2], x.device):
        affinity, index = _affinities(x[..., block], y, band_width).max(2)
        winner = torch.where(affinity > best, index + block.start, winner)
        best = torch.maximum(affinity, best)
    return best, winner


def _pull_back(x: Tensor, y: Tensor, band_width: float, winner: Tensor, pull: tuple[Tensor, ...],
               wanted: _Wanted) -> tuple[Tensor, ...]:  # fmt: skip
    """Gradients of the wanted of (x, y), given those of each winner's affinity and distance (1,N)."""
    (x, y), inputs = _leaves(wanted, x, y)
    totals = [torch.zeros_like(tensor) for tensor in inputs]
    rows, place = torch.unique(winner[0], return_inverse=True)
    for block in _blocks(len(rows), y.shape[2], x.device):
        won = ((place >= block.start) & (place < block.stop)).nonzero().squeeze(1)
        local = place[won] - block.start
        with torch.enable_grad():
            row = x.index_select(2, rows[block])
            affinity = _affinities(row, y, band_width)[:, won, local]
            distance = _winning_distance(row, y.index_select(2, won), local.unsqueeze(0))
        parts = torch.autograd.grad((affinity, distance), inputs, [gradient[:, won] for gradient in pull])
        totals = [total + part for total, part in zip(totals, parts, strict=True)]
    return tuple(totals)
