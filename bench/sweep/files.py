"""What a sweep leaves in its folder: tables, figures, the best trials as suites."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from bench.report.style import figure_style
from bench.report.write import FORMATS, write_figures
from bench.store import write_atomically
from bench.sweep.best import write_best
from bench.sweep.charts import history_figure, importance_figure, pareto_figure
from bench.sweep.landscape import contour_figure, slice_figure
from bench.sweep.page.page import render_sweep
from bench.sweep.record import Record
from bench.sweep.tables import best_markdown, trials_csv, write_trials
from bench.sweep.variation import Subject

FIGURES, PAGE = "figures", "report.html"


def write_outcome(
    folder: Path, subject: Subject, record: Record, importances: Sequence[Mapping[str, float]]
) -> list[Path]:
    """Tables of all and of the best trials, these as suites, figures and the page; paths of all but the tables."""
    write_trials(folder, record)
    write_atomically(folder / "best.md", best_markdown(record).encode())
    write_atomically(folder / "best.csv", trials_csv(record, record.best).encode())
    suites = write_best(folder, subject, record)
    with figure_style():
        figures = write_figures(folder / FIGURES, _figures(record, importances), FORMATS)
    drawn = {path.stem: path.read_bytes() for path in figures if path.suffix == ".png"}
    page = render_sweep(subject, record, drawn, {path.name: path.read_text(encoding="utf-8") for path in suites})
    write_atomically(folder / PAGE, page.encode())
    return [*suites, *figures, folder / PAGE]


def _figures(record: Record, importances: Sequence[Mapping[str, float]]) -> Iterator[tuple[str, Figure]]:
    named = {
        "pareto": pareto_figure(record),
        "history": history_figure(record),
        "importance": importance_figure(record, importances),
        "slice": slice_figure(record),
        "contour": contour_figure(record, importances),
    }
    yield from ((name, figure) for name, figure in named.items() if figure is not None)
