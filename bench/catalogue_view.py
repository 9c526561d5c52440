"""`bench methods` on a terminal. Light: rich only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bench.catalogue import Entry, Field, Sheet
from bench.report.family import FAMILY_MARKS
from methods.base import Family, Stage


def methods_table(entries: Sequence[Entry]) -> Group:
    """One line per method."""
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("method", "family", "tasks"):
        table.add_column(column, no_wrap=True)
    table.add_column("params", justify="right", no_wrap=True)
    table.add_column("licence", overflow="fold")
    table.add_column("released", justify="right", no_wrap=True)
    for entry in entries:
        table.add_row(
            Text(entry.name, "bold"), _family(entry.facts.family), " ".join(entry.tasks) or "any", _millions(entry),
            _short(entry.facts.licence), str(len(entry.weights) or "-"),
        )  # fmt: skip
    below = (
        "Parameters of the published networks for images of 512 px; how many checkpoints were released. "
        "`bench methods NAME` tells all about one."
    )
    return Group(table, Text(f"\n{below}", "dim"))


def method_sheet(sheet: Sheet) -> Group:
    """A method in full."""
    facts = sheet.entry.facts
    parts: list[RenderableType] = [
        Text.assemble((sheet.entry.name, "bold"), "  ", _family(facts.family)),
        Text(facts.title),
        _facts(sheet),
    ]
    if sheet.stages:
        parts += [_title("Trainings"), _stages(sheet.stages)]
    if sheet.extra:
        parts += [_title("Weights that a training needs from elsewhere"), _pairs(sheet.extra)]
    if sheet.fields:
        parts += [_title("Config"), Text(_reflowed(sheet.about), "dim"), Text(), _fields(sheet.fields)]
    if sheet.notes:
        parts += [_title("Notes"), *map(Text, sheet.notes)]
    if facts.bibtex:
        parts += [_title("Citation"), Text(facts.bibtex)]
    return Group(*parts)


def _facts(sheet: Sheet) -> Padding:
    facts, entry = sheet.entry.facts, sheet.entry
    rows = {
        "published": facts.venue, "paper": f"https://arxiv.org/abs/{facts.arxiv}" if facts.arxiv else "",
        "code": facts.code, "licence": facts.licence, "tasks": ", ".join(entry.tasks),
        "parameters": f"{_millions(entry)}, for images of 512 px" if entry.parameters else "",
        "weights": _weights(entry),
    }  # fmt: skip
    return Padding(_pairs({name: value for name, value in rows.items() if value}), (1, 0, 0, 0))


def _stages(stages: Sequence[Stage]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for column in ("stage", "starts from"):
        table.add_column(column)
    for column in ("iterations", "batch", "patch"):
        table.add_column(column, justify="right")
    table.add_column("flips")
    for stage in stages:
        budget = stage.budget
        table.add_row(
            Text(stage.name, "bold"), ", ".join(stage.needs) or "-", f"{budget.iterations:,}", str(budget.batch_size),
            f"{budget.patch} px" if budget.patch else "whole", ", ".join(budget.flips) or "-",
        )  # fmt: skip
    return table


def _fields(fields: Sequence[Field]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("field", no_wrap=True)
    for column in ("default", "takes"):
        table.add_column(column, overflow="fold")
    for field in fields:
        table.add_row(field.path, Text(field.default, "cyan"), Text(field.values, "dim"))
    return table


def _pairs(rows: Mapping[str, str]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in rows.items():
        table.add_row(name, Text(value))
    return table


def _reflowed(text: str) -> str:
    """Paragraphs without the line breaks of the source."""
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _title(text: str) -> Text:
    return Text(f"\n{text}", "bold")


def _family(family: Family) -> Text:
    if family == "prior":  # stands in no table of results, hence has no mark
        return Text(f"  {family}")
    mark = FAMILY_MARKS[family]
    return Text.assemble((f"{mark.glyph} ", mark.colour), family)


def _millions(entry: Entry) -> str:
    return f"{entry.parameters / 1e6:.1f} M" if entry.parameters else "?" if entry.parameters is None else "-"


def _weights(entry: Entry) -> str:
    return ", ".join(file.name for file in entry.weights) or "-"


def _short(licence: str) -> str:
    """The licence of the released code without what is said about it."""
    return licence.partition(" (")[0].partition(";")[0] or "-"
