"""What is said where rows of one table were scored with different versions of the libraries that compute metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bench.report.model import MethodInfo


def library_notes(methods: Sequence[MethodInfo]) -> Mapping[str, str]:
    """By row label, `scored with torch 2.11.0`: the libraries that rows differ in, or that differ within a row. {} if none do.

    What defines a metric is in its protocol, and another protocol is another key. The versions of what merely computes it
    (torch, numpy, ...) move last digits, if anything: such numbers may stand beside each other, but not unsaid.
    """
    versions: dict[str, set[str]] = {}
    for name, version in (library.rsplit(" ", 1) for method in methods for library in method.libraries):
        versions.setdefault(name, set()).add(version)
    differing = {name for name, found in versions.items() if len(found) > 1}
    said = {
        method.label: ", ".join(library for library in method.libraries if library.rsplit(" ", 1)[0] in differing)
        for method in methods
    }
    return {label: f"scored with {libraries}" for label, libraries in said.items() if libraries}


def library_remarks(methods: Sequence[MethodInfo]) -> Sequence[str]:
    """The notes as a sentence for the whole table; none where the rows agree."""
    rows: dict[str, list[str]] = {}
    for label, note in library_notes(methods).items():
        rows.setdefault(note, []).append(label)
    found = "; ".join(f"{', '.join(labels)} {note}" for note, labels in rows.items())
    return [f"Not scored alike: {found}."] if rows else []
