"""Names of many files in one, as shells and webdataset write them. Light: no torch."""

from __future__ import annotations

import re
from itertools import product
from math import prod

MOST = 100_000
"""Names that a pattern may stand for; more is a slip of the keyboard."""

_GROUP = re.compile(r"\{([^{}]*)\}")
_RANGE = re.compile(r"(\d+)\.\.(\d+)")


def expand_braces(pattern: str) -> list[str]:
    """`a-{008..010}` as a-008, a-009, a-010 and `{train,val}/a` as train/a, val/a; without braces the name alone.

    Raises ValueError on other braces, on ranges that run backwards and on more than `MOST` names.
    """
    texts = _GROUP.split(pattern)
    if any(mark in text for text in texts[::2] for mark in "{}"):
        raise ValueError(f"{pattern!r} has a brace without its partner, or one within another")
    parts = [_alternatives(text) if index % 2 else [text] for index, text in enumerate(texts)]
    if prod(map(len, parts)) > MOST:
        raise ValueError(f"{pattern!r} stands for more than {MOST} names")
    return ["".join(chosen) for chosen in product(*parts)]


def _alternatives(group: str) -> list[str]:
    if bounds := _RANGE.fullmatch(group):
        first, last = int(bounds[1]), int(bounds[2])
        if not 0 <= last - first < MOST:
            raise ValueError(f"{{{group}}} stands for {last - first + 1} names, not for 1 to {MOST}")
        return [f"{number:0{len(bounds[1])}}" for number in range(first, last + 1)]
    if "," not in group:
        raise ValueError(f"{{{group}}} is neither a range ({{000..069}}) nor alternatives ({{train,val}})")
    return group.split(",")
