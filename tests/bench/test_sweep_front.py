"""Fronts and dominated volumes against brute force, and figures of studies of every shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from bench.report.style import figure_style, render_figure
from bench.sweep.charts import history_figure, importance_figure, pareto_figure
from bench.sweep.config import Dimension
from bench.sweep.front import hypervolume, hypervolumes, nondominated, reference_point
from bench.sweep.landscape import contour_figure, slice_figure
from bench.sweep.objectives import Objective
from bench.sweep.record import Record, Tried
from bench.sweep.tables import best_markdown, trials_csv
from bench.sweep.view import standing

SIDE = 6
"""Cells of the grid on which volumes are counted."""


def points(objectives: int) -> st.SearchStrategy[NDArray[np.float64]]:
    """Up to eight points with whole coordinates below `SIDE`."""
    point = st.lists(st.integers(0, SIDE), min_size=objectives, max_size=objectives)
    return st.lists(point, min_size=1, max_size=8).map(lambda rows: np.array(rows, dtype=np.float64))


def counted(costs: NDArray[np.float64]) -> int:
    """Cells of the unit grid that some point dominates."""
    cells = np.stack(np.meshgrid(*[np.arange(SIDE)] * costs.shape[1], indexing="ij"), axis=-1)
    return int((costs <= cells[..., None, :]).all(axis=-1).any(axis=-1).sum())


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_volumes_are_those_counted_cell_by_cell(objectives: int) -> None:
    @given(points(objectives))
    def check(costs: NDArray[np.float64]) -> None:
        assert hypervolume(costs, np.full(objectives, float(SIDE))) == counted(costs)

    check()


@given(points(3))
def test_the_front_is_what_no_other_beats(costs: NDArray[np.float64]) -> None:
    kept = nondominated(costs)
    for i, point in enumerate(costs):
        beaten = any((other <= point).all() and (other < point).any() for other in costs)
        repeated = any((costs[j] == point).all() for j in range(i))
        assert kept[i] == (not beaten and not repeated)


@given(points(2))
def test_the_volume_never_falls(costs: NDArray[np.float64]) -> None:
    volumes = hypervolumes(costs, reference_point(costs))
    assert (np.diff(volumes) >= -1e-9).all()
    assert volumes[0] > 0


PSNR, SWD = Objective("psnr", "PSNR", "up", 2), Objective("swd", "SWD", "down", 2)
THIRD = Objective("ssim", "SSIM", "up", 4)
SPACE = {
    "net.loss.weight": Dimension(low=1, high=300, log=True),
    "net.width": Dimension(low=8, high=64, step=8),
    "net.fuse": Dimension(choices=("features", "images")),
}


def parameters(weight: float, width: int, fuse: str) -> dict[str, Any]:
    return {"net.loss.weight": weight, "net.width": width, "net.fuse": fuse}


def record(objectives: Sequence[Objective], count: int = 14) -> Record:
    """Trials at random points; two of them have no values, and one is yet to be drawn."""
    rng = np.random.default_rng(0)
    trials = []
    for number in range(count):
        drawn = parameters(
            float(np.exp(rng.uniform(0, 5))), int(8 * rng.integers(1, 9)), ["features", "images"][number % 2]
        )
        results = tuple(float(value) for value in rng.uniform(10, 30, len(objectives)))
        trials.append(Tried(number, "complete", drawn, results, 1.0, ("a",), ("b",)))
    drawn = parameters(2.0, 8, "images")
    lost = [Tried(count, "pruned", drawn, note="pruned, at 20 dB"), Tried(count + 1, "failed", drawn, note="diverged")]
    return Record("a-sweep-1", SPACE, tuple(objectives), (*trials, *lost, Tried(count + 2, "running", {})))


SHARES = {"net.loss.weight": 0.7, "net.width": 0.2, "net.fuse": 0.1}


@pytest.mark.slow
@pytest.mark.parametrize("objectives", [(PSNR,), (PSNR, SWD), (PSNR, SWD, THIRD)])
def test_every_figure_can_be_drawn(objectives: tuple[Objective, ...]) -> None:
    made = record(objectives)
    shares = [SHARES] * len(objectives)
    with figure_style():
        figures = [
            history_figure(made), slice_figure(made), importance_figure(made, shares), contour_figure(made, shares),
            pareto_figure(made),
        ]  # fmt: skip
        for figure in figures[: 5 if len(objectives) > 1 else 4]:
            assert figure is not None
            assert render_figure(figure, "png").startswith(b"\x89PNG")
    assert (figures[4] is None) == (len(objectives) == 1)


def test_panels_are_one_per_objective_and_what_it_depends_on() -> None:
    made = record((PSNR, SWD))
    with figure_style():
        figures = {"slice": slice_figure(made), "contour": contour_figure(made, ()), "history": history_figure(made)}
    counts = {name: len(figure.axes) for name, figure in figures.items() if figure is not None}
    assert counts == {"slice": 6, "contour": 4, "history": 3}  # contours: one pair of ranges, and their colour bars


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_trials_are_no_mistake(count: int) -> None:
    made = record((PSNR, SWD), count)
    with figure_style():
        drawn = [history_figure(made), slice_figure(made), pareto_figure(made)]
        assert all((figure is None) == (count == 0) for figure in drawn)
        assert contour_figure(made, ()) is None
        assert importance_figure(made, ()) is None
        for figure in filter(None, drawn):
            render_figure(figure, "png")


def test_trials_on_a_line_span_no_area() -> None:
    trials = [Tried(i, "complete", parameters(float(10**i), 16 * (i + 1), "images"), (float(i), 1.0)) for i in range(3)]
    assert contour_figure(Record("a", SPACE, (PSNR, SWD), tuple(trials)), ()) is None


def test_the_best_of_one_objective_are_in_its_order() -> None:
    up, down = record((PSNR,)), record((SWD,))
    assert [t.results for t in up.best] == sorted([t.results for t in up.complete], reverse=True)[:5]
    assert [t.results for t in down.best] == sorted([t.results for t in down.complete])[:5]


def test_equal_trials_are_shown_once() -> None:
    trials = [Tried(i, "complete", parameters(2.0, 8, "images"), (20.0, 3.0)) for i in range(3)]
    assert [trial.number for trial in Record("a", SPACE, (PSNR, SWD), tuple(trials)).best] == [0]
    single = [Tried(i, "complete", parameters(2.0, 8, "images"), (20.0,)) for i in range(3)]
    assert [trial.number for trial in Record("a", SPACE, (PSNR,), tuple(single)).best] == [0]


def test_tables_have_all_that_is_known() -> None:
    made = record((PSNR, SWD), 3)
    lines = trials_csv(made, made.trials).splitlines()
    assert lines[0] == "number,state,seconds,net.loss.weight,net.width,net.fuse,psnr,swd,trainings,scores,note"
    assert len(lines) == 1 + 3 + 3
    assert lines[4].endswith('"pruned, at 20 dB"')
    text = best_markdown(made)
    assert text.startswith("# a-sweep-1\n")
    assert "| Best | Trial | weight | width | fuse | PSNR ↑ | SWD ↓ |" in text
    assert "3 of 6 trials complete, 1 pruned, 1 failed, 1 running" in text


def test_the_standing_names_the_best_of_each() -> None:
    made = record((PSNR, SWD))
    psnr, swd = (np.array([t.results[i] for t in made.complete]) for i in (0, 1))
    best = f"best PSNR {psnr.max():.2f}, SWD {swd.min():.2f}"
    assert standing(made) == f"{best}, 1 running, 1 pruned, 1 failed, front of {len(made.best)}"
