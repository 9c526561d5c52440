"""The report's files: tables, figures and rows, each written whole or not at all."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from bench.errors import BenchError, StoreError
from bench.report.comparison import comparison_figure
from bench.report.model import COLUMNS, Pictures, Report
from bench.report.page.page import render_page
from bench.report.plane import plane_figure
from bench.report.render_csv import render_csv
from bench.report.render_latex import render_latex
from bench.report.render_markdown import render_markdown
from bench.report.statistics import Estimates, estimate_rows
from bench.report.style import Format, figure_style, render_figure
from bench.report.tabulation import tabulate
from bench.report.training import training_figure

FORMATS: tuple[Format, ...] = ("png", "pdf")


def write_report(folder: Path, report: Report) -> list[Path]:
    """Paths of table.{md,csv,tex}, rows.parquet, figures/*.{png,pdf} and report.html, written into `folder`.

    Equal reports give equal bytes, whatever the order of their rows. Figures without data are left out.
    Tables come first: a failing figure costs no numbers. Raises StoreError when a file cannot be written.
    """
    estimates = estimate_rows(report.rows)
    table = tabulate(report, estimates)
    texts = {
        "table.md": render_markdown(table),
        "table.csv": render_csv(table),
        "table.tex": render_latex(table),
    }
    written = [_replace(folder / name, text.encode()) for name, text in texts.items()]
    written.append(_replace(folder / "rows.parquet", _parquet(report)))
    drawn: dict[str, bytes] = {}
    with figure_style():
        for name, figure in _figures(report, estimates):
            for file_format in FORMATS:
                content = render_figure(figure, file_format)
                written.append(_replace(folder / "figures" / f"{name}.{file_format}", content))
                if file_format == "png":
                    drawn[name] = content
    written.append(_replace(folder / "report.html", render_page(report, [table], drawn).encode()))
    return written


def _figures(report: Report, estimates: Estimates) -> Iterator[tuple[str, Figure]]:
    comparison = _comparison(report, report.pictures) if report.pictures is not None else None
    if comparison is not None:
        yield "comparison", comparison
    plane = plane_figure(report, estimates)
    if plane is not None:
        yield "perception_distortion", plane
    training = training_figure(report.curves) if report.curves is not None else None
    if training is not None:
        yield "training", training


def _comparison(report: Report, pictures: Pictures) -> Figure | None:
    """None where an image is missing: the page names it, and the other figures need none."""
    try:
        return comparison_figure(report, pictures) if pictures.images else None
    except BenchError:
        return None


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
        advice = "free space or choose another results folder"
        raise StoreError(f"{path}: cannot write the report: {error.strerror or error}; {advice}") from error
    return path
