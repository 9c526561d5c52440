"""Whatever a row, an image, a suite or an error is called, tables, pages and terminals show it as text and nothing else."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bench.errors import DataError
from bench.report.model import COLUMNS, Citation, MethodInfo, MetricInfo, Pictures, Provenance, Report
from bench.report.page.page import render_page
from bench.report.reference import Reference
from bench.report.render_console import render_console
from bench.report.render_csv import FIELDS, FORMULA, render_csv
from bench.report.render_latex import render_latex
from bench.report.render_markdown import render_markdown
from bench.report.table import Table
from bench.report.tables import report_tables
from bench.terminal import Terminal

NAMES = (
    "<img src=x onerror=alert(1)>.png", "</script><script>alert(1)</script>", "</title></style></textarea>", "<!--", "-->",
    "]]>", '" onmouseover="alert(1)', "' onfocus='alert(1)' autofocus='", "`${alert(1)}`", "{{7*7}}", "{% include 'x' %}",
    "&lt;b&gt;", "&#60;b&#62;", "javascript:alert(1)", "https://x\"onclick=\"alert(1)", "\u2028alert(1)\u2029", "\0",
    "a\nb", "a\r\nb", "a\tb", " ", "| a | b |", "\\", "\\|", "\\\\|", "a\\", "`", "```", "[x](javascript:alert(1))",
    "![x](http://x)", "<https://x>", "# x", "$x$", "~", "50% & {x} ~^_#", "\\input{/etc/passwd}", "\\end{tabular}", "}", "{",
    "\\\\", "[x]", "%", "^^41", "\\^^41", "=cmd()", "+1", "-1+cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", '"', ",", '";"',
    "[/red]", "[bold]", "[link=https://x]", "\x1b[2J", "\x1b]0;title\x07", "\x9b31m", "\u202eexe.gnp",
)  # fmt: skip
"""What breaks out of HTML, attributes, JSON in scripts, templates, Markdown, LaTeX, CSV, rich's markup and terminals."""

TEXTS = st.one_of(st.sampled_from(NAMES), st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
HARMLESS = "harmless"


def with_all_of_them(test: Callable[..., None]) -> Callable[..., None]:
    """The property with each of `NAMES` among its examples."""
    for name in NAMES:
        test = example(name=name)(test)
    return test


pytestmark = pytest.mark.slow

fuzz = settings.get_profile("fuzz")


def report_of(name: str) -> Report:
    """A report in which everything that comes from outside is or holds `name`."""
    cited = Citation(name, name, name, name, name, name)
    methods = tuple(
        MethodInfo(f"{name}{kind}", "regression", notes=(name,), citation=cited, libraries=(f"{name} {kind}",)) for kind in "ab"
    )  # fmt: skip
    failed = MethodInfo(f"{name}c", "hybrid", reason=name)
    psnr = MetricInfo("psnr", name, "up", 2, name)
    missing = MetricInfo("fid", f"{name}FID", "down", 2, "", name)
    images = tuple(f"{name}{i}" for i in range(3))
    rows = [
        ("r", name, method.label, "", 1, image, "psnr", 20.0 + i + 2 * len(method.label) % 7, name)
        for method in methods for i, image in enumerate(images)
    ]  # fmt: skip
    pictures = Pictures(
        (), _no_picture(name), _no_picture(name), {m.label: _no_picture(name) for m in methods}, ids=images
    )
    return Report(
        name, pd.DataFrame(rows, columns=list(COLUMNS)), (psnr, missing), (*methods, failed), pictures, test=name,
        reference=Reference(name, {(f"{name}a", "psnr"): 30.0}), baseline=f"{name}a",
        provenance=Provenance(name, name, {name: {name: name}}, {name: name}, (name,)),
    )  # fmt: skip


def _no_picture(name: str) -> Callable[[str], Any]:
    def load(image: str) -> Any:
        raise DataError(f"{image}: {name}")

    return load


def tables_of(report: Report) -> list[Table]:
    return [table for tables in report_tables(report).values() for table in tables]


class Skeleton(HTMLParser):
    """Tags with the names of their attributes, comments and declarations: all that is no text and no attribute's value."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.parts: list[tuple[str, ...]] = []
        self.links: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parts.append((tag, *(name for name, _ in attrs)))
        self.links += [str(value) for name, value in attrs if name in ("href", "src", "action", "style")]

    def handle_endtag(self, tag: str) -> None:
        self.parts.append((f"/{tag}",))

    def handle_comment(self, data: str) -> None:
        self.parts.append(("comment", data))

    def handle_decl(self, decl: str) -> None:
        self.parts.append(("declaration", decl))

    def handle_pi(self, data: str) -> None:
        self.parts.append(("instruction", data))


def page_of(name: str) -> str:
    report = report_of(name)
    return render_page(report, tables_of(report), {})


@pytest.fixture(scope="module")
def harmless() -> dict[str, Skeleton]:
    """What a page looks like whose names are plain words, or addresses."""
    return {name: Skeleton(page_of(name)) for name in (HARMLESS, f"https://{HARMLESS}")}


@fuzz
@with_all_of_them
@given(TEXTS)
def test_no_name_becomes_a_tag_or_an_attribute(harmless: dict[str, Skeleton], name: str) -> None:
    page = page_of(name)
    found = Skeleton(page)
    addressed = name.startswith(("https://", "http://"))
    assert found.parts == harmless[f"https://{HARMLESS}" if addressed else HARMLESS].parts
    assert all(link.startswith(("#", "data:,", "https://arxiv.org/", "https://", "http://")) for link in found.links)
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert data is not None
    assert [image["id"] for image in json.loads(data.group(1))[0]["images"]] == [f"{name}{i}" for i in range(3)]


@fuzz
@with_all_of_them
@given(TEXTS)
def test_no_name_breaks_a_markdown_table(name: str) -> None:
    for ours, plain in zip(tables_of(report_of(name)), tables_of(report_of(HARMLESS)), strict=True):
        text = render_markdown(ours)
        bars = [len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) for line in text.splitlines() if line.startswith("|")]
        expected = [line.count("|") for line in render_markdown(plain).splitlines() if line.startswith("|")]
        assert bars == expected
        assert "<" not in re.sub(r"\\<|</?ins>", "", text)


SPELT = frozenset((
    "textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar", "textquotedbl", "allowbreak",
    "ldots", "circ", "pm", "times", "cdot", "infty", "leq", "geq", "approx", "rightarrow", "uparrow", "downarrow", "mu",
    "textsuperscript",
))  # fmt: skip
"""Commands that stand for characters; Greek letters are others."""


@fuzz
@with_all_of_them
@given(TEXTS)
def test_no_name_breaks_a_latex_table(name: str) -> None:
    for ours, plain in zip(tables_of(report_of(name)), tables_of(report_of(HARMLESS)), strict=True):
        source, expected = (render_latex(table) for table in (ours, plain))
        assert len(source.splitlines()) == len(expected.splitlines())
        bare, expected_bare = (re.sub(r"\\[\\%&#$_{}]", "", text) for text in (source, expected))
        assert bare.count("{") == bare.count("}")
        assert bare.count("$") % 2 == 0
        assert [bare.count(c) for c in "&%#"] == [expected_bare.count(c) for c in "&%#"]
        commands, usual = (set(re.findall(r"\\([a-zA-Z]+)", text)) for text in (source, expected))
        assert {word for word in commands - usual - SPELT if not is_greek(word)} == set()


def is_greek(word: str) -> bool:
    spelt = word.upper().replace("LAMBDA", "LAMDA")
    return any(found in GREEK for found in (f"GREEK SMALL LETTER {spelt}", f"GREEK CAPITAL LETTER {spelt}"))


GREEK = {unicodedata.name(chr(code), "") for code in range(0x370, 0x400)}


@fuzz
@with_all_of_them
@given(TEXTS)
def test_no_name_breaks_a_csv_or_is_computed(name: str) -> None:
    text = render_csv(*tables_of(report_of(name)))
    records = list(csv.reader(io.StringIO(text, newline="")))
    plain = list(csv.reader(io.StringIO(render_csv(*tables_of(report_of(HARMLESS))))))
    assert [len(record) for record in records] == [len(FIELDS)] * len(plain)
    numbers = {FIELDS.index(field) for field in ("value", "low", "high", "p", "p_adjusted", "reference", "seed_std")}
    texts = [field for record in records[1:] for i, field in enumerate(record) if i not in numbers]
    assert not any(field.startswith(FORMULA) for field in texts)
    label = f"{name}a".replace("\r", " ")
    assert records[1][0] in (label, f"'{label}")


@fuzz
@with_all_of_them
@given(TEXTS)
def test_no_name_commands_a_terminal(name: str) -> None:
    screen = io.StringIO()
    terminal = Terminal(width=400, file=screen)
    terminal.print(*map(render_console, tables_of(report_of(name))), f"  .. {name}", sep="\n")
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", screen.getvalue())


def test_marks_that_are_text_are_printed_as_they_are() -> None:
    screen = io.StringIO()
    Terminal(file=screen).print("a[/b] [bold]", highlight=False)
    assert screen.getvalue() == "a[/b] [bold]\n"
