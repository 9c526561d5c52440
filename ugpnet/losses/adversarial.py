"""GAN losses on logits of any shape: `*_d_loss` for the discriminator, `*_g_loss` for the generator.

All are scalars: the mean over logits, real and fake terms added, unless said otherwise.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def logistic_d_loss(real: Tensor, fake: Tensor) -> Tensor:
    """mean softplus(-real) + mean softplus(fake): StyleGAN2's logistic loss, BasicSR's `wgan_softplus`."""
    return F.softplus(-real).mean() + F.softplus(fake).mean()


def logistic_g_loss(fake: Tensor) -> Tensor:
    """mean softplus(-fake): the non-saturating loss, L_adv of Eq. 2, arXiv 2401.00370."""
    return F.softplus(-fake).mean()


def hinge_d_loss(real: Tensor, fake: Tensor) -> Tensor:
    """mean relu(1 - real) + mean relu(1 + fake) (Geometric GAN, arXiv 1705.02894)."""
    return F.relu(1 - real).mean() + F.relu(1 + fake).mean()


def hinge_g_loss(fake: Tensor) -> Tensor:
    """-mean fake: the generator's side of the hinge loss."""
    return -fake.mean()


def vanilla_d_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Binary cross-entropy of real towards 1 plus fake towards 0; in exact arithmetic `logistic_d_loss`."""
    return _bce(real, 1.0) + _bce(fake, 0.0)


def vanilla_g_loss(fake: Tensor) -> Tensor:
    """Binary cross-entropy of fake towards 1; in exact arithmetic `logistic_g_loss`."""
    return _bce(fake, 1.0)


def relativistic_d_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Relativistic average loss of ESRGAN (arXiv 1809.00219), the mean of its two halves.

    Real is to look more real than the average fake, fake less real than the average real. As in BasicSR no gradient
    flows through the averages.
    """
    return (_bce(real - fake.detach().mean(), 1.0) + _bce(fake - real.detach().mean(), 0.0)) / 2


def relativistic_g_loss(real: Tensor, fake: Tensor) -> Tensor:
    """The generator's side of `relativistic_d_loss`; no gradient flows through real."""
    real = real.detach()
    return (_bce(real - fake.mean(), 0.0) + _bce(fake - real.mean(), 1.0)) / 2


def _bce(logits: Tensor, target: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))
