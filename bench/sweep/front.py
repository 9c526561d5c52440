"""Pareto fronts and the volume that they dominate, in any number of objectives. Costs: less is better in all."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Costs = NDArray[np.float64]
"""(points, objectives)"""

MARGIN = 0.1
"""By which the reference point lies behind the worst values, as a share of their range."""


def nondominated(costs: Costs) -> NDArray[np.bool_]:
    """Which points no other beats (points,): nowhere worse and somewhere better. Of equal points, the first."""
    kept = np.ones(len(costs), dtype=bool)
    for i, point in enumerate(costs):
        beaten = (costs <= point).all(axis=1) & (costs < point).any(axis=1)
        kept[i] = not beaten.any() and not (costs[:i] == point).all(axis=1).any()
    return kept


def reference_point(costs: Costs) -> NDArray[np.float64]:
    """The worst value of each objective, and a tenth of its range behind: points that are worst in one objective then count
    (Ishibuchi et al., Evolutionary Computation 26, 2018, discuss the choice)."""
    worst = costs.max(axis=0)
    spread = worst - costs.min(axis=0)
    return np.asarray(worst + MARGIN * np.where(spread > 0, spread, 1.0))


def hypervolume(costs: Costs, reference: NDArray[np.float64]) -> float:
    """What `costs` dominate within the box that ends at `reference`, in the product of the objectives' units.

    Sum of exclusive volumes (While et al., IEEE TEVC 16, 2012): exact; quick for a few objectives and fronts of dozens.
    """
    inside = costs[(costs < reference).all(axis=1)]
    front = inside[nondominated(inside)]
    front = front[np.argsort(front[:, 0])]
    return float(sum(_exclusive(front[i], front[i + 1 :], reference) for i in range(len(front))))


def _exclusive(point: NDArray[np.float64], others: Costs, reference: NDArray[np.float64]) -> float:
    """What `point` dominates and none of `others` does."""
    own = float(np.prod(reference - point))
    return own - hypervolume(np.maximum(others, point), reference) if len(others) else own


def hypervolumes(costs: Costs, reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of the first 1, 2, ... points (points,)."""
    return np.array([hypervolume(costs[: i + 1], reference) for i in range(len(costs))])
