"""A discriminator's objective in StyleGAN2 and what came of it: logistic, and R1 on every n-th step."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from ugpnet.losses.adversarial import logistic_d_loss
from ugpnet.losses.regularisers import r1_penalty
from ugpnet.recipe import Term
from ugpnet.settings import LazyR1


def r1_term(config: LazyR1, judge: Callable[[Tensor], Tensor], real: Tensor) -> Term:
    """The penalty at real images (B,3,H,W), which need not ask for gradients."""
    real = real.detach().requires_grad_()
    return Term(config.r1_weight / 2 * config.r1_every, r1_penalty(judge(real), real))


def logistic_terms(
    judge: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, r1: LazyR1, step: int
) -> dict[str, Term]:
    """{"d": logistic loss, "r1": where the step has it}; real and fake (B,3,H,W) in the range that `judge` knows."""
    terms = {"d": Term(1.0, logistic_d_loss(judge(real), judge(fake)))}
    if r1.r1_weight and step % r1.r1_every == 0:
        terms["r1"] = r1_term(r1, judge, real)
    return terms
