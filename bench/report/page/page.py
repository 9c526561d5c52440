"""`report.html`: the page as text, from a report, its tables and its figures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from typing import NamedTuple

from bench.report.model import Citation, MethodInfo, Report
from bench.report.page.browser_data import gallery_data
from bench.report.page.document import HERE, flatten, render_document
from bench.report.page.figure_view import figure_view
from bench.report.page.gallery import Gallery, make_galleries, missing_pictures
from bench.report.table import Table


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
    return render_document(
        HERE / "template.html.j2", report=report, tables=tables, galleries=galleries, test_sets=[*_test_sets(report)],
        figures=sorted(starmap(figure_view, figures.items()), key=lambda figure: figure.place),
        cited=_cited(report.methods),
        warnings=[*_warnings(report, galleries)],
        environment=[*flatten(report.provenance.environment)] if report.provenance is not None else [],
        data=[gallery_data(gallery) for gallery in galleries],
    )  # fmt: skip


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
