"""What trainings with StyleGAN2's parts have in common, after BasicSR."""

from __future__ import annotations

from ugpnet.settings import Optim, Schedule

EMA = 0.5 ** (32 / 10_000)
"""Decay per step of an averaged generator."""


def lazy_adam(lr: float, every: int, schedule: Schedule = Schedule()) -> Optim:
    """Adam with betas (0, 0.99), fitted to a regulariser on every `every`-th step: 0.99 to the power of n / (n + 1).

    StyleGAN2 (arXiv 1912.04958) multiplies `lr` by that ratio too; BasicSR computes it and does not use it.
    """
    return Optim(lr=lr, betas=(0.0, 0.99 ** (every / (every + 1))), schedule=schedule)
