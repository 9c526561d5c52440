"""What the guides in docs/ print, typed as printed."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from bench import metrics
from bench.errors import BenchError
from bench.metrics import names
from bench.suite import load_suite
from benchmarks import conventions

DOCS = Path(__file__).parents[1] / "docs"


def blocks(guide: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (DOCS / guide).read_text(), re.DOTALL)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder where Python finds modules, with the metric as printed."""
    (tmp_path / "mylab").mkdir()
    (tmp_path / "mylab" / "edges.py").write_text(blocks("add-a-metric.md", "python")[0])
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "mylab", raising=False)
    return tmp_path


def test_the_printed_metric_works(lab: Path) -> None:
    spec, metric = names.spec("mylab.edges"), metrics.create("mylab.edges")
    assert (spec.label, spec.decimals, spec.of_set, spec.higher_is_better) == ("Edges", 2, False, False)
    assert (metric.name, metric.protocol) == ("mylab.edges", "edges/horizontal/rgb/8bit/mean-abs/v1")
    flat = np.zeros((4, 4, 3), np.uint8)
    stripes = flat.copy()
    stripes[:, ::2] = 6
    assert metric.score(flat, flat) == 0  # type: ignore[arg-type]
    assert metric.score(stripes, flat) == 6  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("nowhere.edges", "", "metric 'nowhere.edges': cannot be imported: No module named 'nowhere'"),
        ("mylab.none", "", "metric 'mylab.none': its module defines 0 classes with `score`"),
        (
            "mylab.silent",
            "class A:\n    label = 'A'\n    def score(self, a, b): ...\n",
            "A does not say its decimals, ",
        ),
    ],
)
def test_what_is_no_metric_is_named(lab: Path, name: str, content: str, message: str) -> None:
    (lab / "mylab" / f"{name.split('.')[1]}.py").write_text(content)
    with pytest.raises(BenchError) as caught:
        names.check_name(name)
    assert message in str(caught.value)


@pytest.mark.slow
def test_the_printed_scores_are_what_conventions_make_of_the_same_images() -> None:
    printed = {
        float(value) for value in re.findall(r"^\| (\d+\.\d{4}) \|", (DOCS / "numbers.md").read_text(), re.MULTILINE)
    }
    found = {round(value, 4) for value, _ in conventions.score(conventions.make_pairs(), conventions.OURS)}
    assert len(found) == 6
    assert found <= printed


def test_the_readme_s_suite_resolves(tmp_path: Path) -> None:
    root = DOCS.parent
    [text] = [
        text
        for text in re.findall(r"```yaml\n(.*?)```", (root / "README.md").read_text(), re.DOTALL)
        if "extends:" in text
    ]
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("base/faces.yaml", str(root / "suites" / "base" / "faces.yaml")))
    suite = load_suite(path)
    assert [row.label for row in suite.rows] == ["input", "nafnet", "ugpnet", "ugpnet: fusing images", "ugpnet-hinet"]
    assert suite.rows[-1].peers["regressor"].method == "hinet"


def test_the_tests_that_the_table_of_faults_names_exist() -> None:
    named = set(re.findall(r"`(test_\w+)`", (DOCS / "reliability.md").read_text()))
    files = (DOCS.parent / "tests").rglob("test_*.py")
    there = {name for path in files for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)}
    assert len(named) > 50
    assert named - there == set()
