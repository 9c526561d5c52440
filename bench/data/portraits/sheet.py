"""Contact sheets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bench.data.portraits.render import render


def contact_sheet(seed: int, size: int, rows: int, columns: int) -> NDArray[np.uint8]:
    """The first portraits of `seed`, side by side: (rows * size, columns * size, 3) uint8."""
    lines = [
        np.concatenate([render(seed, row * columns + column, size) for column in range(columns)], axis=1)
        for row in range(rows)
    ]
    return np.concatenate(lines, axis=0)
