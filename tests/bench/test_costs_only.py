"""A suite without data measures what its methods cost and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import SuiteError
from bench.executors.base import Unwatched
from bench.executors.local import LocalExecutor
from bench.plan import make_plan
from bench.report.tabulation import tabulate
from bench.run import run_plan
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution

Write = Callable[[object], Path]


@pytest.fixture
def costs(tiny_document: dict[str, Any]) -> dict[str, Any]:
    """The tiny suite's methods, measured only."""
    kept = {name: tiny_document[name] for name in ("task", "components", "methods")}
    return {"name": "costs", "metrics": [], "measure": {"size": 32, "warmup": 0, "repeats": 1}, **kept}


def test_it_ends_with_a_table_of_costs(write_suite: Write, costs: dict[str, Any], tmp_path: Path) -> None:
    reference = tmp_path / "published.csv"
    reference.write_text("# source: somewhere\nmethod,parameters\nnafnet,17.1\n")
    plan = make_plan(load_suite(write_suite({**costs, "reference": reference.name})))
    assert {job.kind for job in plan.jobs} == {"measure"}
    run = run_plan(plan, Store(tmp_path / "results").open(), Execution(), LocalExecutor(), Unwatched())
    table = tabulate(run.report)
    assert [column.name for column in table.columns] == ["parameters", "macs", "memory", "latency"]
    nafnet, ugpnet = (next(row for row in table.rows if row.label == label) for label in ("nafnet", "ugpnet"))
    assert all(cell.estimate is not None and cell.estimate.value > 0 for cell in nafnet.cells)
    assert nafnet.cells[0].reference == 17.1
    assert any("restoration" in table.footnotes[note - 1] for note in ugpnet.notes)
    assert (run.folder / "table.tex").is_file()


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"metrics": ["psnr"]}, "data: wanted for the metrics"),
        ({"measure": {"warmup": 0}}, "measure.size: wanted"),
        ({"measure": None}, "measure.size: wanted"),
    ],
)
def test_what_it_lacks_is_named(
    write_suite: Write, costs: dict[str, Any], change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(SuiteError, match=problem):
        load_suite(write_suite(costs | change))
