"""VQFR's dictionary of codes: the nearest ones, their loss, and the k-means that version 1 re-estimates them by."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

COMMITMENT = 0.25


@dataclass(frozen=True)
class Quantized:
    """`code` (B, D, h, w): dictionary entries, through which gradients pass straight to z; `index` (B, h * w),
    row by row; `loss`: a scalar that pulls z and its entries together."""

    code: Tensor
    index: Tensor
    loss: Tensor


def nearest(vectors: Tensor, codes: Tensor) -> Tensor:
    """Index (N,) of the code (K, D) at the smallest Euclidean distance from each vector (N, D)."""
    with torch.autocast(vectors.device.type, enabled=False):
        vectors = vectors.to(codes.dtype)
        squared = vectors.square().sum(1, keepdim=True) + codes.square().sum(1) - 2 * vectors @ codes.T
    return squared.argmin(1)


def as_vectors(z: Tensor) -> Tensor:
    """(B * h * w, D) of a map (B, D, h, w)."""
    return z.permute(0, 2, 3, 1).contiguous().flatten(0, 2)


def as_map(entries: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, D, h, w) of (B, h * w, D), contiguous: group normalisation of channels-last maps is less accurate."""
    return entries.transpose(1, 2).contiguous().view(len(entries), -1, *size)


class VectorQuantizer(nn.Module):
    """Every vector of z (B, D, h, w) replaced by the nearest of `num_code` dictionary entries (arXiv 1711.00937)."""

    def __init__(self, num_code: int, code_dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_code, code_dim)
        nn.init.uniform_(self.embedding.weight, -1 / num_code, 1 / num_code)

    def forward(self, z: Tensor) -> Quantized:
        vectors = as_vectors(z)
        index = nearest(vectors, self.embedding.weight).view(len(z), -1)
        entries = self.embedding(index)
        # In the paper it is the encoder's side that weighs 0.25; the released code has it the other way round.
        pulled = vectors.view_as(entries)
        loss = F.mse_loss(pulled, entries.detach()) + COMMITMENT * F.mse_loss(entries, pulled.detach())
        code = as_map(entries, (z.shape[2], z.shape[3]))
        return Quantized(z + (code - z).detach(), index, loss)

    def look_up(self, index: Tensor, size: tuple[int, int]) -> Tensor:
        """Codes (B, D, h, w) of an index (B, h * w), for `size` (h, w)."""
        return as_map(self.embedding(index), size)


class ProjectedQuantizer(VectorQuantizer):
    """Version 1's quantiser: 1x1 convolutions lead from `in_dim` channels into the dictionary's space and back."""

    def __init__(self, in_dim: int, num_code: int, code_dim: int) -> None:
        super().__init__(num_code, code_dim)
        self.quant_conv = nn.Conv2d(in_dim, code_dim, 1)
        self.post_quant_conv = nn.Conv2d(code_dim, in_dim, 1)


class Reservoir(nn.Module):
    """A uniform sample of at most `size` of all vectors added since the last `clear` (Vitter's algorithm R)."""

    vectors: Tensor
    seen: Tensor

    def __init__(self, size: int, dim: int) -> None:
        super().__init__()
        self.register_buffer("vectors", torch.zeros(size, dim))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    def __len__(self) -> int:
        return min(int(self.seen), len(self.vectors))

    def clear(self) -> None:
        self.seen.zero_()

    def add(self, vectors: Tensor, generator: torch.Generator) -> None:
        """Number n of all vectors takes slot n while there are free ones, then one of n + 1, if that is in range."""
        number = int(self.seen) + torch.arange(len(vectors))
        drawn = (torch.rand(len(vectors), generator=generator, dtype=torch.float64) * (number + 1)).long()
        slot = torch.where(number < len(self.vectors), number, drawn)
        kept = (slot < len(self.vectors)).nonzero().flatten()
        # The last vector to claim a slot has it, whatever the order in which a GPU would write.
        owner = torch.full((len(self.vectors),), -1).scatter_reduce(0, slot[kept], kept, "amax")
        taken = (owner >= 0).nonzero().flatten()
        self.vectors[taken.to(vectors.device)] = vectors[owner[taken].to(vectors.device)].to(self.vectors.dtype)
        self.seen += len(vectors)

    def cluster(self, count: int, generator: torch.Generator) -> Tensor:
        """`kmeans` centres (count, D) of the sample."""
        return kmeans(self.vectors[: len(self)], count, generator)


def kmeans(points: Tensor, count: int, generator: torch.Generator, iterations: int = 10) -> Tensor:
    """Centres (count, D) after Lloyd's iterations from `count` random points (N, D), N >= count.

    A centre that loses all its points stays where it is.
    """
    chosen = torch.randperm(len(points), generator=generator)[:count]
    centres = points[chosen.to(points.device)]
    for _ in range(iterations):
        member = F.one_hot(nearest(points, centres), count).to(points.dtype)  # a matrix product is deterministic
        size = member.sum(0).unsqueeze(1)
        centres = torch.where(size > 0, member.T @ points / size.clamp(min=1), centres)
    return centres
