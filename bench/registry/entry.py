"""What is recorded of a file of weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MB = 1_000_000


@dataclass(frozen=True)
class WeightFile:
    """One file that somebody published.

    `sha256` may be a prefix; empty where nobody states one. `size` is in bytes: exact, an upper bound where `at_most`,
    0 where unknown. `by_hand`: `url` is a page where a browser gets the file and a program does not. `saved_as` is its
    path below a folder of weights, where the URL's last part is no name or not the only one of its kind.
    """

    name: str
    url: str
    sha256: str
    size: int
    licence: str
    purpose: str
    at_most: bool = False
    by_hand: bool = False
    saved_as: str = ""

    @property
    def file(self) -> str:
        """File name as published, the name under which every folder is searched."""
        return self.saved_as or self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class Checkpoint(WeightFile):
    """A released checkpoint that takes the place of training `stage` of `method`.

    `config` is what the method's config has to say for the file to fit, `evaluation` what its published evaluation used
    and a row may change. `tasks` are those for which `weights: official` means this file; files that only work together
    share a `release`. `side` (of the ground truth, in pixels) and `scale` are the only ones it works at, None: any.
    """

    method: str
    stage: str
    config: Mapping[str, Any]
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    tasks: tuple[str, ...] = ()
    release: str = ""
    side: int | None = None
    scale: int | None = None
