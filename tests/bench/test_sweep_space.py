"""The section `sweep`: what may be said, what it means to Optuna, and how each mistake is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError

from bench.errors import SuiteError, Unavailable
from bench.plan import Plan
from bench.run import run_name
from bench.suite import load_suite
from bench.sweep.config import Dimension
from bench.sweep.objectives import find_objectives
from bench.sweep.pruning import find_course
from bench.sweep.samplers import check_sampler, count_trials
from bench.sweep.space import as_values, describe, distributions, grid, probes, short_names
from bench.sweep.study import folder_name
from bench.sweep.variation import Subject, open_subject, trial_jobs

Write: TypeAlias = Callable[[object], Path]

LAMBDA = "ugpnet.fusion.lambda_per"


@pytest.fixture
def swept(tiny_document: dict[str, Any]) -> dict[str, Any]:
    """The tiny suite with a sweep over one field of the last stage."""
    space = {LAMBDA: {"low": 1, "high": 300, "log": True}}
    sweep = {"row": "ugpnet", "space": space, "objectives": {"psnr": "max", "swd": "min"}, "trials": 3}
    return {**tiny_document, "sweep": sweep}


def subject_of(path: Path, *assignments: str) -> Subject:
    return open_subject(load_suite(path, assignments=assignments), path.parent / "cache")


@pytest.mark.slow
def test_suites_are_read_without_optuna() -> None:
    program = "import sys, bench.suite, bench.schema; print('optuna' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "False\n"
    )


@pytest.mark.parametrize(
    ("said", "distribution"),
    [
        ({"low": 1, "high": 300}, FloatDistribution(1, 300)),
        ({"low": 1, "high": 300, "log": True}, FloatDistribution(1, 300, log=True)),
        ({"low": 0, "high": 1, "step": 0.25}, FloatDistribution(0, 1, step=0.25)),
        ({"low": 16, "high": 64, "step": 16}, IntDistribution(16, 64, step=16)),
        ({"low": 1, "high": 64, "step": 1, "log": True}, IntDistribution(1, 64, log=True)),
        ({"choices": ["a", 1, None]}, CategoricalDistribution(["a", 1, None])),
        ({"choices": [[1, 1], [2, 2]]}, CategoricalDistribution(["[1,1]", "[2,2]"])),
    ],
)
def test_dimensions_are_optuna_s(said: dict[str, Any], distribution: object) -> None:
    assert distributions({"f": Dimension(**said)})["f"] == distribution


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ({"low": 5, "high": 5}, "an empty range: low 5 is not below high 5"),
        ({"low": 5, "high": 1}, "an empty range"),
        ({"low": 1}, "give `low` and `high`, or `choices`"),
        ({}, "give `low` and `high`, or `choices`"),
        ({"low": 0, "high": 1, "log": True}, "low must be above 0"),
        ({"low": 1, "high": 2, "step": 0.3}, "plus a multiple of the step"),
        ({"low": 1, "high": 9, "step": 2, "log": True}, "takes no step but"),
        ({"low": 1, "high": 2, "choices": [1, 2]}, "either `choices` or"),
        ({"choices": [1]}, "at least two"),
        ({"choices": [[1], [1]]}, "each once"),
        ({"low": float("nan"), "high": 1}, "finite"),
        ({"low": 0, "high": float("inf")}, "finite"),
        ({"low": 0, "high": 1, "step": -1}, "greater than 0"),
    ],
)
def test_empty_and_senseless_dimensions_are_refused(said: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValidationError, match=problem):
        Dimension(**said)


def test_choices_come_back_as_they_were_written() -> None:
    space = {"widths": Dimension(choices=([1, 1], [2, 2])), "rate": Dimension(low=0, high=1)}
    assert as_values(space, {"rate": 0.5, "widths": "[2,2]"}) == {"widths": [2, 2], "rate": 0.5}


def test_a_grid_has_every_point() -> None:
    space = {"a": Dimension(low=1, high=7, step=3), "b": Dimension(choices=("x", [1]))}
    assert grid(space) == {"a": [1, 4, 7], "b": ["x", "[1]"]}
    assert all(isinstance(value, int) for value in grid(space)["a"])


def test_probes_reach_both_ends_and_no_integer_between() -> None:
    low, high, between = probes(Dimension(low=1, high=4))
    assert (low, high) == (1, 4)
    assert not float(between).is_integer()
    assert probes(Dimension(low=2, high=8, step=2)) == [2, 8, 4]


def test_short_names_are_unique_ends() -> None:
    fields = ["ugpnet.fusion.lambda_per", "ugpnet.synthesis.lambda_per", "nafnet.width"]
    assert list(short_names(fields).values()) == ["fusion.lambda_per", "synthesis.lambda_per", "width"]
    assert describe(Dimension(low=1, high=300, log=True)) == "1 to 300, logarithmic"


def test_what_changes_nothing_in_trials_changes_no_study(write_suite: Write, swept: dict[str, Any]) -> None:
    path = write_suite(swept)
    name = folder_name(subject_of(path))
    same = ("sweep.trials=50", "sweep.sampler=random", "sweep.timeout=5", "loggers=[]")
    assert {folder_name(subject_of(path, change)) for change in same} == {name}
    other = (f"sweep.space={{{LAMBDA}: {{low: 1, high: 2}}}}", "sweep.objectives={swd: min}", "seeds=[1]")
    assert len({name, *(folder_name(subject_of(path, change)) for change in other)}) == 4


def test_a_run_of_the_suite_ignores_the_section(write_suite: Write, swept: dict[str, Any]) -> None:
    suite = load_suite(write_suite(swept))
    plain = load_suite(write_suite({name: value for name, value in swept.items() if name != "sweep"}))
    plans = [Plan(each, (), (), {}) for each in (suite, plain)]
    assert run_name(plans[0]) == run_name(plans[1])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"row": "ugpnt"}, r"sweep\.row: no row is named 'ugpnt'; did you mean 'ugpnet'\?"),
        ({"trials": 0}, r"sweep\.trials: "),
        ({"sampler": "tpee"}, r"sweep\.sampler: "),
        ({"objectives": {"psnr": "up"}}, r"sweep\.objectives\.psnr: "),
        ({"objectives": {}}, r"sweep\.objectives: "),
        ({"space": {}}, r"sweep\.space: "),
        ({"pruner": "median"}, r"sweep: pruner 'median': .* one objective only, found psnr, swd"),
        ({"sampler": "cmaes"}, r"sweep: sampler 'cmaes': takes one objective only"),
        ({"sampler": "grid"}, rf"sweep: sampler 'grid': space\.{LAMBDA} needs a `step`"),
        ({"space": {LAMBDA: {"low": 3, "high": 3}}}, rf"sweep\.space\.{LAMBDA}: an empty range: low 3"),
        ({"space": {LAMBDA: {"low": "x", "high": 3}}}, rf"sweep\.space\.{LAMBDA}\.low"),
        ({"space": {LAMBDA: {"low": 1, "hihg": 3}}}, r"hihg: unknown field; did you mean 'high'\?"),
        (
            {"space": {"ugpnet.fusion.lambda_pr": {"low": 1, "high": 3}}},
            r"sweep\.space\.ugpnet\.fusion\.lambda_pr: .*unknown field; did you mean 'lambda_per'\?",
        ),
        (
            {"space": {"ugpnt.fusion.lambda_per": {"low": 1, "high": 3}}},
            r"sweep\.space\.ugpnt\.fusion\.lambda_per: ugpnt: unknown field",
        ),
        (
            {"space": {"ugpnet.fusion_blocks": {"low": 1, "high": 4}}},
            r"sweep\.space\.ugpnet\.fusion_blocks: .*valid integer",
        ),
        ({"space": {"ugpnet.fuse": {"choices": ["features", "pictures"]}}}, r"sweep\.space\.ugpnet\.fuse: .*pictures"),
        (
            {"space": {"degradation.7.kernel_size": {"low": 3, "high": 9, "step": 2}}},
            r"sweep\.space\.degradation\.7\.kernel_size: '7' is not an index",
        ),
    ],
)
def test_mistakes_are_named(write_suite: Write, swept: dict[str, Any], change: dict[str, Any], problem: str) -> None:
    swept["sweep"] |= change
    with pytest.raises(SuiteError, match=problem):
        subject_of(write_suite(swept))


def test_a_suite_without_the_section_says_so(tiny: Path) -> None:
    with pytest.raises(SuiteError, match="sweep: this suite has no such section"):
        subject_of(tiny)


def test_a_field_of_another_row_changes_nothing(write_suite: Write, swept: dict[str, Any]) -> None:
    swept["sweep"]["space"] = {"gfpgan.training.pixel_weight": {"low": 1, "high": 3}}
    with pytest.raises(
        SuiteError, match=r"sweep\.space\.gfpgan\.training\.pixel_weight: changes nothing of row 'ugpnet'"
    ):
        subject_of(write_suite(swept)).own_jobs()


def test_a_trial_plans_its_row_alone(write_suite: Write, swept: dict[str, Any]) -> None:
    swept["data"]["ood"] = {"photos": dict(swept["data"]["test"])}
    subject = subject_of(write_suite(swept))
    assert [job.label for job in trial_jobs(subject.plan({LAMBDA: 5}))] == [
        "nafnet network", "ugpnet restoration", "stylegan2 prior", "ugpnet synthesis", "ugpnet fusion", "ugpnet restore",
        "ugpnet score",
    ]  # fmt: skip
    assert subject.own_jobs() == {"ugpnet fusion", "ugpnet restore", "ugpnet score"}


@pytest.mark.parametrize(
    ("objectives", "problem"),
    [
        ({"psnrr": "max"}, r"sweep\.objectives\.psnrr: .*did you mean 'psnr'"),
        ({"ssim": "max"}, r"sweep\.objectives\.ssim: not among the suite's metrics"),
        ({"swd": "max"}, r"sweep\.objectives\.swd: SWD is better the smaller; write min"),
    ],
)
def test_objectives_are_metrics_of_the_suite(
    write_suite: Write, swept: dict[str, Any], objectives: dict[str, str], problem: str
) -> None:
    swept["sweep"]["objectives"] = objectives
    subject = subject_of(write_suite(swept))
    with pytest.raises(SuiteError, match=problem):
        find_objectives(subject, subject.plan({}))


def test_an_objective_without_its_weights_says_how_to_get_them(
    write_suite: Write, swept: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for variable in ("UGPNET_BENCH_WEIGHTS", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "none"))
    swept["metrics"] = ["psnr", "lpips"]
    swept["sweep"]["objectives"] = {"lpips": "min"}
    subject = subject_of(write_suite(swept))
    with pytest.raises(Unavailable, match=r"sweep\.objectives\.lpips: .*bench weights"):
        find_objectives(subject, subject.plan({}))


def test_a_pruner_needs_validations(write_suite: Write, swept: dict[str, Any]) -> None:
    swept["sweep"] |= {"objectives": {"psnr": "max"}, "pruner": "median"}
    subject = subject_of(write_suite(swept))
    with pytest.raises(SuiteError, match=r"sweep\.pruner: .*data\.val and validate_every"):
        find_course(subject, trial_jobs(subject.plan({})), subject.own_jobs())
    swept["data"]["val"] = dict(swept["data"]["test"])
    swept["methods"]["ugpnet"]["fusion"]["budget"] = {"iterations": 9, "batch_size": 2, "validate_every": 4}
    swept["sweep"]["space"]["ugpnet.synthesis.lambda_adv"] = {"low": 0.1, "high": 1}
    subject = subject_of(write_suite(swept))
    course = find_course(subject, trial_jobs(subject.plan({})), subject.own_jobs())
    assert course.labels == ("ugpnet synthesis", "ugpnet fusion")
    assert (course.first, course.last) == (1 + 4, 1 + 9)  # after the synthesis, which takes one step


def test_a_missing_package_is_named(write_suite: Write, swept: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    swept["sweep"] |= {"objectives": {"psnr": "max"}, "sampler": "cmaes"}
    with pytest.raises(Unavailable, match=r"sweep\.sampler: cmaes needs a package: pip install"):
        check_sampler(subject_of(write_suite(swept)))


def test_a_grid_has_no_more_trials_than_points(write_suite: Write, swept: dict[str, Any]) -> None:
    swept["sweep"] |= {"sampler": "grid", "space": {LAMBDA: {"low": 1, "high": 4, "step": 1}}}
    assert count_trials(subject_of(write_suite(swept)).sweep) == 3
    swept["sweep"]["trials"] = 20
    assert count_trials(subject_of(write_suite(swept)).sweep) == 4
