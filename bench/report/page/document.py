"""The shell of every page: one file that fetches nothing and runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2

from bench.report.family import FAMILY_MARKS
from bench.report.page.cells import describe_cell, sort_value
from bench.report.table import (
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


def render_document(template: Path, /, **content: Any) -> str:
    """The template as a whole HTML document, everything in `content` escaped; it extends `document.html.j2`."""
    style, script = _style(), _script()
    return _environment(template.parent).get_template(template.name).render(
        style=style, script=script, policy=_policy(style, script), **content
    )  # fmt: skip


def _environment(folder: Path) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, HERE]), autoescape=True, undefined=jinja2.StrictUndefined,
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


def flatten(values: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Nested names as one: `packages.torch`, with what each is."""
    if not isinstance(values, Mapping):
        yield path, str(values)
        return
    for name, value in values.items():
        yield from flatten(value, f"{path}.{name}" if path else str(name))
