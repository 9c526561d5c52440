"""How each family of methods is told apart: a colour and a shape, the same in every table and figure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from bench.report.model import Family


@dataclass(frozen=True)
class FamilyMark:
    """`colour` is sRGB hex (Okabe and Ito's palette, safe for colour-blind readers); `tex` needs amssymb."""

    colour: str
    glyph: str
    marker: str
    tex: str


FAMILY_MARKS: Final[Mapping[Family, FamilyMark]] = MappingProxyType(
    {
        "input": FamilyMark("#7F7F7F", "\N{MULTIPLICATION SIGN}", "x", r"\times"),
        "regression": FamilyMark("#0072B2", "●", "o", r"\bullet"),
        "generative": FamilyMark("#D55E00", "▲", "^", r"\blacktriangle"),
        "hybrid": FamilyMark("#009E73", "◆", "D", r"\blacklozenge"),
    }
)
