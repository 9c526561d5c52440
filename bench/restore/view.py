"""The terminal during `bench restore`: a bar, a line for each image that failed, a summary at the end."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from bench.live import LiveView
from bench.restore.batch import Outcome
from bench.restore.inputs import Entry
from bench.restore.restorer import Restorer


class RestoreView(LiveView):
    """Watches a batch of `images` images."""

    def __init__(self, console: Console, images: int) -> None:
        super().__init__(console)
        self.images = self.progress.add_task("images", total=images, text="")
        self.current = ""
        self.tiled: set[str] = set()

    def started(self, entry: Entry) -> None:
        self.current = str(entry.source)
        self.progress.update(self.images, text=entry.source.name)

    def advanced(self, done: int, total: int) -> None:
        if total > 1:
            self.tiled.add(self.current)
            self.progress.update(self.images, text=f"{Path(self.current).name}, tile {done} of {total}")

    def finished(self, entry: Entry) -> None:
        self.progress.advance(self.images)

    def failed(self, name: str, reason: str) -> None:
        self.progress.advance(self.images)
        self.console.print(failure(name, reason), soft_wrap=True)


def failure(name: str, reason: str) -> Text:
    return Text.assemble(("failed ", "red"), (name, "bold"), f": {reason}")


def heading(restorer: Restorer, device: str) -> Text:
    """What restores, from where, on what."""
    takes = "images of any size" if restorer.side is None else f"{restorer.side} x {restorer.side} px"
    gives = f" x{restorer.scale}" if restorer.scale > 1 else ""
    text = Text.assemble((restorer.label, "bold"), f"{gives}, {takes} ")
    text.append(f"({', '.join(filter(None, (restorer.origin, device)))})", "dim")
    for note in restorer.notes:
        text.append(f"\nnote: {note}", "yellow")
    return text


def summary(outcome: Outcome, tiled: int, restorer: Restorer, out: Path) -> Text:
    """`12 restored, 3 kept, 1 failed -> out`."""
    parts = [f"{outcome.restored} restored"]
    if outcome.kept:
        parts.append(f"{outcome.kept} kept as they were (--overwrite makes them again)")
    text = Text(", ".join(parts))
    if outcome.failed:
        text.append(", ").append(f"{len(outcome.failed)} failed", "bold red")
    text.append(f" -> {out}")
    if tiled and restorer.side is not None:
        were = "was" if tiled == 1 else "were"
        text.append(
            f"\n{tiled} {were} cut into tiles of {restorer.side} px, all that {restorer.label} takes; "
            "an image that is one aligned face is better restored with --fit resize",
            "dim",
        )
    return text
