"""`report.html`: the page as text, from a report, its tables and its figures."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from pathlib import Path
from typing import Any, NamedTuple

import jinja2

from bench.report.family import FAMILY_MARKS
from bench.report.model import Citation, MethodInfo, Report
from bench.report.page.browser_data import gallery_data
from bench.report.page.cells import describe_cell, sort_value
from bench.report.page.figure_view import figure_view
from bench.report.page.gallery import Gallery, make_galleries, missing_pictures
from bench.report.table import (
    Table,
    format_interval,
    format_reference,
    format_spread,
    format_star,
    format_value,
    missing,
)

HERE = Path(__file__).parent
SCRIPTS = (
    "elements.js", "copying.js", "sorting.js", "tips.js", "zoom.js",
    "strip.js", "tiles.js", "scores.js", "browser.js", "start.js",
)  # fmt: skip


class TestSet(NamedTuple):
    """What the header says of a test set."""

    name: str
    images: int
    seeds: tuple[int, ...]


def render_page(report: Report, tables: Sequence[Table], figures: Mapping[str, bytes]) -> str:
    """A whole HTML document that needs no other file and no network; `figures` are PNG or SVG files by name.

    Equal arguments give equal text. A picture whose loader raises BenchError is named on the page instead.
    """
    galleries = make_galleries(report)
    style, script = _style(), _script()
    return _environment().get_template("template.html.j2").render(
        report=report, tables=tables, galleries=galleries, test_sets=[*_test_sets(report)],
        figures=sorted(starmap(figure_view, figures.items()), key=lambda figure: figure.place),
        cited=_cited(report.methods),
        warnings=[*_warnings(report, galleries)],
        environment=[*_flatten(report.provenance.environment)] if report.provenance is not None else [],
        style=style, script=script, policy=_policy(style, script), data=[gallery_data(gallery) for gallery in galleries],
    )  # fmt: skip


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True,
    )  # fmt: skip
    functions = (
        sort_value, describe_cell, format_value, format_star, format_interval, format_spread, format_reference, missing,
    )  # fmt: skip
    environment.globals |= {function.__name__: function for function in functions} | {"marks": FAMILY_MARKS}
    return environment


def _style() -> str:
    colours = "".join(f"--{family}: {mark.colour}; " for family, mark in FAMILY_MARKS.items())
    return f":root {{ {colours}}}\n{(HERE / 'page.css').read_text(encoding='utf-8')}"


def _script() -> str:
    """One module: its files share a scope and need no imports, which a page opened from a disk could not follow."""
    return "\n".join((HERE / "script" / name).read_text(encoding="utf-8") for name in SCRIPTS)


def _policy(style: str, script: str) -> str:
    """A Content-Security-Policy by which nothing is fetched and no other script runs, whatever a label holds."""
    return (
        f"default-src 'none'; img-src data:; style-src {_source(style)}; script-src {_source(script)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _test_sets(report: Report) -> Iterator[TestSet]:
    for part in (report, *report.ood):
        images = {image for image in part.rows.image if image != ""}
        yield TestSet(part.test, len(images), tuple(sorted({int(seed) for seed in part.rows.seed})))


def _cited(methods: Sequence[MethodInfo]) -> Mapping[Citation, Sequence[MethodInfo]]:
    """Methods by what they cite, as variants share their paper; without those that have no more than a title."""
    found: dict[Citation, list[MethodInfo]] = {}
    for method in methods:
        if method.citation is not None and method.citation != Citation(method.citation.title):
            found.setdefault(method.citation, []).append(method)
    return found


def _warnings(report: Report, galleries: Sequence[Gallery]) -> Iterator[str]:
    parts = (report, *report.ood)
    reasons = {(part.test, method.label): method.reason for part in parts for method in part.methods if method.reason}
    if report.provenance is not None:
        # A failed job is also the reason of its rows, which say whose it is.
        yield from (warning for warning in report.provenance.warnings if warning not in reasons.values())
    for (test, label), reason in reasons.items():
        if test == report.test:
            yield f"{label}: {reason}"
        elif reasons.get((report.test, label)) != reason:
            yield f"{label} on {test}: {reason}"
    for gallery in galleries:
        where = f"{gallery.report.test}: " if len(galleries) > 1 else ""
        yield from (f"{where}{text}" for text in missing_pictures(gallery))


def _flatten(values: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested names as one: `packages.torch`."""
    if not isinstance(values, Mapping):
        yield path, str(values)
        return
    for name, value in values.items():
        yield from _flatten(value, f"{path}.{name}" if path else str(name))
