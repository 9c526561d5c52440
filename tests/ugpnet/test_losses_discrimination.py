"""A discriminator's objective: when R1 is due, what it weighs, and what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ugpnet.losses import LazyR1, logistic_terms


def draw(seed: int) -> Tensor:
    return torch.randn(3, 3, 4, 4, generator=torch.Generator().manual_seed(seed))


def judge(images: Tensor) -> Tensor:
    return images.square().sum((1, 2, 3)) / 10


def test_both_terms_by_hand() -> None:
    real, fake = draw(0), draw(1)
    terms = logistic_terms(judge, real, fake, LazyR1(r1_weight=10, r1_every=16), 32)
    assert {name: term.weight for name, term in terms.items()} == {"d": 1, "r1": 80}
    torch.testing.assert_close(terms["d"].value, F.softplus(-judge(real)).mean() + F.softplus(judge(fake)).mean())
    torch.testing.assert_close(terms["r1"].value, (real / 5).square().sum((1, 2, 3)).mean())
    assert not real.requires_grad


@pytest.mark.parametrize(("r1", "due"), [(LazyR1(r1_every=3), [0, 3, 6]), (LazyR1(r1_weight=0), [])])
def test_r1_is_due_on_every_nth_step(r1: LazyR1, due: list[int]) -> None:
    assert [step for step in range(8) if "r1" in logistic_terms(judge, draw(0), draw(1), r1, step)] == due
