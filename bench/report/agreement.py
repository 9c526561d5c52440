"""How far our order of methods is that of the published values which stand beside ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

SHOWN = 6
"""Pairs named in words; the others are counted."""


def describe_agreement(label: str, ours: Mapping[str, float], published: Mapping[str, float]) -> str | None:
    """`PSNR: Kendall's tau 0.67 over 4 methods; ordered otherwise: GFP-GAN / GPEN`; None where no order can be compared.

    `ours` and `published` are one column's values by row; rows without both are left out. Tau-b, with ties (Kendall 1945).
    """
    rows = [row for row in ours if row in published]
    if len(rows) < 2:
        return None
    tau = kendall(rows, ours, published)
    if tau is None:
        return None
    text = f"{label}: Kendall's tau {tau:.2f} over {len(rows)} methods"
    pairs = reversed_pairs(rows, ours, published)
    if not pairs:
        return text
    more = f" and {len(pairs) - SHOWN} more" if len(pairs) > SHOWN else ""
    return f"{text}; ordered otherwise: {', '.join(f'{a} / {b}' for a, b in pairs[:SHOWN])}{more}"


def kendall(rows: Sequence[str], ours: Mapping[str, float], published: Mapping[str, float]) -> float | None:
    """Tau-b: the correlation of the signs of all pairs' differences. None where all values of a side are equal.

    SciPy's, without the most of a second that importing it takes.
    """
    pairs = list(combinations(rows, 2))
    one, other = (np.sign([values[a] - values[b] for a, b in pairs]) for values in (ours, published))
    scale = np.sqrt((one @ one) * (other @ other))
    return float(one @ other / scale) if scale else None


def reversed_pairs(
    rows: Sequence[str], ours: Mapping[str, float], published: Mapping[str, float]
) -> list[tuple[str, str]]:
    """Pairs of rows of which ours and the published values prefer another one."""
    return [(a, b) for a, b in combinations(rows, 2) if (ours[a] - ours[b]) * (published[a] - published[b]) < 0]
