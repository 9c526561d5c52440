"""MixUp: pairs stay pairs, weights are Beta's, and the generator decides."""

from __future__ import annotations

import torch

from bench.parity.oracle import make_input
from ugpnet.augmentation import _draw_beta, mix_pairs


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pairs_are_mixed_alike() -> None:
    gt = make_input((5, 3, 8, 8), 0)
    lq = gt[..., ::2, ::2] / 2
    mixed_lq, mixed_gt = mix_pairs(lq, gt, 1.2, generator())
    torch.testing.assert_close(mixed_lq, mixed_gt[..., ::2, ::2] / 2)
    assert not torch.allclose(mixed_gt, gt)
    assert (mixed_gt <= gt.amax(0) + 1e-6).all()
    assert (mixed_gt >= gt.amin(0) - 1e-6).all()
    again = mix_pairs(lq, gt, 1.2, generator())
    assert torch.equal(again[0], mixed_lq)
    assert not torch.equal(mix_pairs(lq, gt, 1.2, generator(1))[1], mixed_gt)


def test_weights_are_beta_distributed() -> None:
    """Beta(c, c) has mean 1/2, variance 1 / (4 (2 c + 1)) and the distribution function that torch draws from."""
    drawn = _draw_beta(40_000, 1.2, generator())
    torch.testing.assert_close(drawn.mean(), torch.tensor(0.5), atol=0.005, rtol=0)
    torch.testing.assert_close(drawn.var(), torch.tensor(1 / (4 * 3.4)), atol=0.001, rtol=0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        expected = torch.distributions.Beta(1.2, 1.2).sample((40_000,))
    quantiles = torch.linspace(0.02, 0.98, 25)
    torch.testing.assert_close(drawn.quantile(quantiles), expected.quantile(quantiles), atol=0.015, rtol=0)
