"""StyleGAN2's two regularisers; weights and lazy factors are the recipe's."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn


def r1_penalty(real_pred: Tensor, real: Tensor) -> Tensor:
    """mean_b sum |d real_pred / d real|^2, a scalar to differentiate once more (arXiv 1801.04406).

    `real` (B,3,H,W) must require gradients before the discriminator sees it. Published recipes add
    `weight / 2 * every` times this value on every `every`-th step: 10 / 2 * 10 in UGPNet.
    """
    (gradient,) = torch.autograd.grad(real_pred.sum(), real, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


class PathLengthPenalty(nn.Module):
    """Scalar `mean (length - mean_length)^2` of the generator's path lengths (StyleGAN2, arXiv 1912.04958).

    `forward(images, latents, generator)`: images (B,3,H,W) made from latents (B,L,512) or (B,512) that
    require gradients; a length is |J^T n| for normal noise n / sqrt(HW) drawn from `generator`, the root mean
    square over L. The running mean is the buffer `mean_length` and moves by `decay` per call. As in the
    released code the penalty sees the moved mean with its gradient.
    """

    mean_length: Tensor

    def __init__(self, decay: float = 0.01) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean_length", torch.zeros(()))

    def forward(self, images: Tensor, latents: Tensor, generator: torch.Generator) -> Tensor:
        noise = torch.randn(images.shape, generator=generator, device=generator.device, dtype=images.dtype)
        projected = (images * noise.to(images.device)).sum() / sqrt(images.shape[2] * images.shape[3])
        (jacobian,) = torch.autograd.grad(projected, latents, create_graph=True)
        lengths = jacobian.view(len(images), -1, jacobian.shape[-1]).square().sum(2).mean(1).sqrt()
        mean = self.mean_length + self.decay * (lengths.mean() - self.mean_length)
        self.mean_length.copy_(mean.detach())
        return (lengths - mean).square().mean()
