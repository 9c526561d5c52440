"""Plain text as source for pdflatex with T1 fonts: special characters, Greek letters, mathematical signs."""

# ruff: noqa: RUF001 (characters that look alike are the subject of this file)

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

SPECIAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
        "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
        "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}",
        # A bracket at the start of a table row would be read as the optional argument of the `\\` before it.
        "[": "{[}", "]": "{]}",
        "±": r"$\pm$", "×": r"$\times$", "·": r"$\cdot$", "−": "$-$", "∞": r"$\infty$",
        "≤": r"$\leq$", "≥": r"$\geq$",
        "≈": r"$\approx$", "→": r"$\rightarrow$", "↑": r"$\uparrow$", "↓": r"$\downarrow$", "°": r"$^\circ$",
        "–": "--", "—": "---", "…": r"\ldots{}", "²": r"\textsuperscript{2}", "³": r"\textsuperscript{3}",
        "µ": r"$\mu$", "‘": "`", "’": "'", "“": "``", "”": "''", "\N{NO-BREAK SPACE}": "~",
    }
)  # fmt: skip

GREEK_AS_LATIN: Final[Mapping[str, str]] = MappingProxyType(dict(zip("ΑΒΕΖΗΙΚΜΝΟΡΤΧο", "ABEZHIKMNOPTXo", strict=True)))

LONG_WORD: Final = 12


def escape_latex(text: str) -> str:
    """`text` on one line. Characters that pdflatex has no glyph for become `?`."""
    return "".join(map(_escape, text))


def breakable(text: str) -> str:
    """`escape_latex`, and words longer than `LONG_WORD` (protocol ids) may break after `/ _ - : , =`."""
    return " ".join(_break(word) if len(word) > LONG_WORD else escape_latex(word) for word in text.split())


def _break(word: str) -> str:
    return "".join(_escape(c) + (r"\allowbreak{}" if c in "/_-:,=" else "") for c in word)


def _escape(character: str) -> str:
    if character in SPECIAL:
        return SPECIAL[character]
    if character.isspace():
        return " "
    # Latin-1 and Latin Extended-A are in pdflatex's tables for UTF-8 input with T1 fonts.
    if character.isprintable() and ord(character) < 0x180:
        return character
    return _greek(character) or "?"


def _greek(character: str) -> str | None:
    """Math source; capitals that look Latin have no command and are set as Latin letters."""
    words = unicodedata.name(character, "").split()
    if len(words) != 4 or words[0] != "GREEK" or words[2] != "LETTER":
        return None
    if character in GREEK_AS_LATIN:
        return GREEK_AS_LATIN[character]
    name = words[3].lower().replace("lamda", "lambda")
    return rf"$\{name if words[1] == 'SMALL' else name.capitalize()}$"
