"""What commands print to: text as it is, whoever wrote it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import IO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

COMMANDS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Characters that move a terminal's cursor, change its title or the direction of text, and bytes that are no text."""


def printable(text: str) -> str:
    """`text` on any number of lines, with a replacement character for each of `COMMANDS`."""
    return COMMANDS.sub("\N{REPLACEMENT CHARACTER}", text)


class Terminal(Console):
    """A console that reads no markup in text (a row may be called `a[/b]`) and lets no text command the terminal."""

    def __init__(self, stderr: bool = False, width: int | None = None, file: IO[str] | None = None) -> None:
        super().__init__(stderr=stderr, width=width, file=file, markup=False)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        return _printable(super().render(renderable, options))


def _printable(segments: Iterable[Segment]) -> Iterator[Segment]:
    """Segments that control the terminal are rich's own."""
    for segment in segments:
        yield segment if segment.control else Segment(printable(segment.text), segment.style)
