"""The report's files: tables, figures and rows, each written whole or not at all."""

from __future__ import annotations

import glob
import io
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.errors import StoreError
from bench.report.figures import PAGE, draw_figures
from bench.report.model import COLUMNS, Report
from bench.report.page.page import render_page
from bench.report.render_csv import render_csv
from bench.report.render_latex import render_latex
from bench.report.render_markdown import render_markdown
from bench.report.statistics import estimate_rows
from bench.report.style import Format, figure_style, render_figure
from bench.report.table import Table
from bench.report.tables import report_tables
from bench.store import disk_is_full, reason

FORMATS: tuple[Format, ...] = ("png", "pdf")


def write_report(folder: Path, report: Report) -> list[Path]:
    """Paths of {table,differences,ood}.{md,csv,tex}, rows.parquet, figures/*.{png,pdf} and report.html in `folder`.

    Equal reports give equal bytes, whatever the order of their rows. Tables and figures without data are left out.
    Tables come first: a failing figure costs no numbers. Raises StoreError when a file cannot be written.
    """
    estimates = estimate_rows(report.rows)
    tables = report_tables(report, estimates)
    written = write_tables(folder, tables)
    written.append(_replace(folder / "rows.parquet", _parquet(report)))
    with figure_style():
        figures = write_figures(folder / "figures", draw_figures(report, estimates), FORMATS)
    drawn = {path.stem: path.read_bytes() for path in figures if path.suffix == ".png"}
    page = render_page(report, [*chain.from_iterable(tables.values())], drawn)
    return [*written, *figures, _replace(folder / "report.html", page.encode())]


def write_tables(folder: Path, tables: Mapping[str, Sequence[Table]]) -> list[Path]:
    """Paths of the files of `tables` (see `report_tables`) in `folder`. Raises StoreError when one cannot be written."""
    texts = {}
    for name, found in tables.items():
        texts[f"{name}.md"] = "\n".join(map(render_markdown, found))
        texts[f"{name}.csv"] = render_csv(*found)
        texts[f"{name}.tex"] = "\n".join(map(render_latex, found))
    return [_replace(folder / name, text.encode()) for name, text in texts.items()]


def write_figures(folder: Path, figures: Iterable[tuple[str, Figure]], formats: Sequence[Format]) -> list[Path]:
    """Paths of the figures' files, each written as it is drawn. Pages that an earlier drawing had beyond these go."""
    written = []
    for name, figure in figures:
        files = {f"{name}.{file_format}": render_figure(figure, file_format) for file_format in formats}
        written += [_replace(folder / file, content) for file, content in files.items()]
    for path in written:
        first = path.stem.split(PAGE)[0]
        for page in folder.glob(f"{glob.escape(first + PAGE)}*{path.suffix}"):
            if page not in written:
                page.unlink()
    return written


def _parquet(report: Report) -> bytes:
    """Rows of all test sets in the table's order, then by variant, seed and image: jobs may have ended in any order."""
    methods = {method.label: i for i, method in enumerate(report.methods)}
    metrics = {metric.name: i for i, metric in enumerate(report.metrics)}

    def place(row: Any) -> Any:
        _, test, method, variant, seed, image, metric, *_ = row
        return tests[test], methods[method], variant, seed, metrics.get(metric, len(metrics)), metric, image

    tests = {part.test: i for i, part in enumerate((report, *report.ood))}
    rows = pd.concat([part.rows[list(COLUMNS)] for part in (report, *report.ood)]).fillna({"variant": ""})
    ordered = pd.DataFrame(sorted(rows.itertuples(index=False, name=None), key=place), columns=list(COLUMNS))
    content = io.BytesIO()
    ordered.to_parquet(content, index=False)
    return content.getvalue()


def _replace(path: Path, content: bytes) -> Path:
    """`path`, which holds either its old bytes or all of `content` at every moment."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(temporary, 0o644)
            os.replace(temporary, path)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        advice = "free space, then the same command goes on from here" if disk_is_full(error) else "make it writable"
        raise StoreError(f"{path}: cannot write the report: {reason(error, path.parent)}; {advice}") from error
    return path
