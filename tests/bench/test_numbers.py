"""No number is silently wrong: scores that are none, images that change behind a run, defaults and libraries that change."""

from __future__ import annotations

import math
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from bench import execute, protocol
from bench.compare import join_reports
from bench.data.config import PortraitsData
from bench.data.sources import open_source
from bench.errors import BenchError, DataError
from bench.evaluate import checked_score
from bench.execute import Progress, run_job
from bench.executors.base import Outcome, Unwatched
from bench.executors.local import LocalExecutor
from bench.gather import gather
from bench.plan import Plan, make_plan
from bench.report.model import COLUMNS, MethodInfo, MetricInfo, Report
from bench.report.saved import load_report, save_report
from bench.report.tables import report_tables
from bench.store import Store
from bench.suite import load_suite
from bench.train.execution import Execution
from methods.base import Method
from methods.nafnet import NAFNetMethod
from methods.ugpnet import FusionStage, UGPNetMethod
from methods.vqfr import V1, VQFRMethod
from ugpnet.recipe import Config, Optim

Write: TypeAlias = Callable[[object], Path]

SIZE = 16
OWN_METRIC = """
class Brittle:
    label, decimals, higher_is_better, protocol = "Brittle", 2, {up}, "brittle/v1"

    def score(self, restored, gt):
        return float("{value}") if gt[0, 0, 0] == 1 else 0.5
"""


def write_image(path: Path, first: int) -> None:
    """An uncompressed file, whose size does not depend on its content; `first` is its first value."""
    pixels = np.random.default_rng(first).integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
    pixels[0, 0, 0] = first
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(pixels).save(path, "BMP")


@pytest.fixture
def document(tmp_path: Path) -> dict[str, Any]:
    """A suite of two rows, one of which is trained, on three images in a folder."""
    for index in range(3):
        write_image(tmp_path / "images" / f"{index}.bmp", index)
    train, test = ({"source": "folder", "path": "images"} for _ in range(2))
    nafnet = {"width": 2, "enc_blk_nums": [1], "dec_blk_nums": [1], "budget": {"iterations": 2, "batch_size": 1}}
    return {
        "name": "folder", "task": "denoise", "data": {"train": train, "test": test}, "metrics": ["psnr"], "measure": None,
        "degradation": [{"op": "gaussian_noise", "sigma": 0.1}],
        "methods": {"input": {}, "nafnet": {**nafnet, "budget": {**nafnet["budget"], "patch": SIZE}}},
    }  # fmt: skip


def plan_of(suite: Path, store: Store) -> Plan:
    return make_plan(load_suite(suite), store.cache)


def do(plan: Plan, store: Store) -> Outcome:
    return LocalExecutor().run(plan.jobs, store, Execution(), Unwatched())


def keys(plan: Plan) -> dict[str, str]:
    return {job.label: job.key for job in plan.jobs}


# Scores


@pytest.mark.parametrize(("value", "up"), [("nan", True), ("-inf", True), ("inf", False)])
def test_a_score_that_no_mean_can_count_fails_its_row_by_name(
    value: str, up: bool, document: dict[str, Any], write_suite: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"{value.replace('-', 'minus_')}_lab.brittle"
    module = tmp_path / f"{name.replace('.', '/')}.py"
    module.parent.mkdir()
    module.write_text(OWN_METRIC.format(value=value, up=up))
    monkeypatch.syspath_prepend(str(tmp_path))
    document |= {"metrics": [name], "methods": {"input": {}}}
    store = Store(tmp_path / "results").open()
    plan = plan_of(write_suite(document), store)
    outcome = do(plan, store)
    report = gather(plan, store, outcome, "run")
    assert f"{name}: the score of image '1.bmp' is {value}, which no mean can count" in str(report.methods[0].reason)
    assert len(report.rows) == 0


class Dark(torch.nn.Module):
    def forward(self, lq: torch.Tensor) -> torch.Tensor:
        return lq.log() - lq.log()  # NaN where a value is 0


def test_values_that_are_not_finite_are_named(
    document: dict[str, Any], write_suite: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(NAFNetMethod, "restorer", lambda self, weights: Dark())
    store = Store(tmp_path / "results").open()
    plan = plan_of(write_suite({**document, "degradation": []}), store)
    outcome = do(plan, store)
    report = gather(plan, store, outcome, "run")
    assert "nafnet restore: image '0.bmp' came out with values that are not finite" in str(report.methods[1].reason)
    assert set(report.rows.method) == {"input"}
    assert np.isposinf(report.rows.value).all()


def test_an_infinitely_good_score_counts_as_such() -> None:
    assert checked_score("psnr", math.inf, "a") == math.inf
    assert checked_score("lpips", np.float32(0.5)) == 0.5
    with pytest.raises(BenchError, match=r"^fid: the score is nan"):
        checked_score("fid", math.nan)


def test_an_infinite_difference_is_left_out_and_said_so() -> None:
    """The base is perfect on one image, so that no row has a difference there."""
    values = {"base": [math.inf, 30.0, 31.0], "other": [28.0, 29.0, 30.0]}
    rows = [("r", "test", m, "", 1, str(i), "psnr", v, m) for m, vs in values.items() for i, v in enumerate(vs)]
    methods = tuple(MethodInfo(label, "regression") for label in values)
    psnr = MetricInfo("psnr", "PSNR", "up", 2, "psnr")
    report = Report("x", pd.DataFrame(rows, columns=list(COLUMNS)), (psnr,), methods, baseline="base")
    found = report_tables(report)["differences"][0]
    assert "over the 2 of 3 images of which both rows have a finite value" in found.footnotes


def test_a_saved_score_that_is_not_a_number_is_damage(tmp_path: Path) -> None:
    report = scored({"a": ()})
    folder = tmp_path / "suite" / "run"
    folder.mkdir(parents=True)
    save_report(folder, report)
    for value, fine in ((30.0, True), (math.nan, False), ("many", False)):
        report.rows.assign(value=[value, type(value)(31)]).to_parquet(folder / "rows.parquet")
        if fine:
            assert len(load_report(folder).rows) == 2
        else:
            with pytest.raises(BenchError, match="its rows cannot be read"):
                load_report(folder)


# Images


def replace_in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def replace_by_renaming(path: Path, content: bytes) -> None:
    path.with_suffix(".new").write_bytes(content)
    os.replace(path.with_suffix(".new"), path)


@pytest.mark.parametrize("put", [replace_in_place, replace_by_renaming])
def test_another_image_of_the_same_name_size_and_time_is_found(
    put: Callable[[Path, bytes], None], document: dict[str, Any], write_suite: Write, tmp_path: Path
) -> None:
    suite, store, image = write_suite(document), Store(tmp_path / "results").open(), tmp_path / "images" / "1.bmp"
    before, stat = keys(plan_of(suite, store)), image.stat()
    assert keys(plan_of(suite, store)) == before
    write_image(tmp_path / "other.bmp", 77)
    put(image, (tmp_path / "other.bmp").read_bytes())
    os.utime(image, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    after = image.stat()
    assert (after.st_size, after.st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    changed = keys(plan_of(suite, store))
    assert not set(changed.values()) & set(before.values())


def test_what_leaves_the_content_alone_costs_nothing(
    document: dict[str, Any], write_suite: Write, tmp_path: Path
) -> None:
    suite, store, image = write_suite(document), Store(tmp_path / "results").open(), tmp_path / "images" / "1.bmp"
    before = keys(plan_of(suite, store))
    os.utime(image)
    image.chmod(0o600)
    shutil.copy(image, tmp_path / "copy")
    os.replace(tmp_path / "copy", image)
    assert keys(plan_of(suite, store)) == before


@pytest.mark.parametrize("label", ["pairs", "nafnet network", "input restore", "input score"])
def test_images_that_change_under_a_job_cost_its_result(
    label: str, document: dict[str, Any], write_suite: Write, tmp_path: Path
) -> None:
    store = Store(tmp_path / "results").open()
    plan = plan_of(write_suite(document), store)
    job = next(job for job in plan.jobs if job.label == label)
    LocalExecutor().run(plan.jobs[: plan.jobs.index(job)], store, Execution(), Unwatched())

    def swap(_: Progress) -> None:
        write_image(tmp_path / "images" / "1.bmp", 77)

    with pytest.raises(DataError, match=rf"^{label}: its images were changed while it worked on them"):
        run_job(job, store, Execution(), swap)
    assert not store.has(job.key)
    with pytest.raises(DataError, match=rf"^{label}: its images are not those that the plan was made of"):
        run_job(job, store, Execution(), lambda _: None)
    write_image(tmp_path / "images" / "1.bmp", 1)
    assert run_job(job, store, Execution(), lambda _: None)


@pytest.mark.parametrize("lost", ["byte", "digest"])
def test_rendered_portraits_that_were_damaged_are_rendered_again(lost: str, tmp_path: Path) -> None:
    config = PortraitsData(split="test", count=2, size=16)
    whole = open_source(config, Path(), tmp_path).image(1).copy()  # of a memory map
    [kept] = tmp_path.glob("*.npy")
    content = kept.read_bytes()
    if lost == "byte":
        kept.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        kept.with_name(f"{kept.name}.sha256").unlink()
    assert np.array_equal(open_source(config, Path(), tmp_path).image(1), whole)
    assert kept.read_bytes() == content
    assert sorted(path.name for path in tmp_path.iterdir()) == [kept.name, f"{kept.name}.sha256"]


# Settings


def with_default(base: type[Config], **defaults: Any) -> type[Any]:
    """The config class after its author changed some defaults."""
    fields = {name: (base.model_fields[name].annotation, value) for name, value in defaults.items()}
    return type(base.__name__, (base,), {
        "__annotations__": {name: kind for name, (kind, _) in fields.items()},
        **{name: value for name, (_, value) in fields.items()},
    })  # fmt: skip


SLOWER = Optim(lr=3e-5)
CHANGES: dict[str, tuple[type[Method], dict[str, Any], str, str]] = {
    "architecture": (NAFNetMethod, {"middle_blk_num": 2}, "nafnet network", "nafnet.middle_blk_num=2"),
    "part of a stage": (
        UGPNetMethod, {"fusion": FusionStage(lambda_per=7)}, "ugpnet fusion", "ugpnet.fusion.lambda_per=7",
    ),
    "part of a part": (VQFRMethod, {"v1": V1(base_channels=8)}, "vqfr codebook", "vqfr.v1.base_channels=8"),
}  # fmt: skip


@pytest.mark.parametrize("case", sorted(CHANGES))
def test_a_changed_default_is_another_job(case: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, defaults, stage, assignment = CHANGES[case]
    random = [f"methods.vqfr.v1.{part}.perceptual.features=random" for part in ("codebook", "restoration")]
    wanted_too = random if method is VQFRMethod else []

    def found(*assignments: str) -> dict[str, str]:
        return keys(make_plan(load_suite(tiny, assignments=[*wanted_too, *assignments])))

    before, wanted = found(), found(assignment)
    assert before[stage] != wanted[stage]
    monkeypatch.setattr(method, "Config", with_default(method.Config, **defaults))
    assert found() == wanted


def test_a_raised_version_is_another_job(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys(make_plan(load_suite(tiny)))
    monkeypatch.setattr(NAFNetMethod, "version", NAFNetMethod.version + 1)
    after = keys(make_plan(load_suite(tiny)))
    assert {label for label in before if before[label] == after[label]} == {
        label for label in before if not label.startswith(("nafnet", "ugpnet"))
    }


# Libraries


def test_another_library_of_a_metric_is_another_protocol(
    document: dict[str, Any], write_suite: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    suite, store = write_suite({**document, "metrics": ["gmsd"], "methods": {"input": {}}}), Store(tmp_path).open()
    before = keys(plan_of(suite, store))
    monkeypatch.setattr("bench.metrics.iqa.version", lambda name: "99.0")
    protocol.protocol_id.cache_clear()
    after = keys(plan_of(suite, store))
    protocol.protocol_id.cache_clear()
    assert {label for label in before if before[label] != after[label]} == {"input score"}


def test_rows_that_other_versions_scored_are_told_apart(
    document: dict[str, Any], write_suite: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path / "results").open()
    document["measure"] = {"size": SIZE, "warmup": 0, "repeats": 1}
    do(plan_of(write_suite({**document, "methods": {"input": {}}}), store), store)
    versions = dict(execute.package_versions())
    monkeypatch.setattr(execute, "package_versions", lambda: {**versions, "torch": "99.0"})
    plan = plan_of(write_suite(document), store)
    report = gather(plan, store, do(plan, store), "run")
    devices = [method.latency.device for method in report.methods if method.latency]
    assert f"torch {versions['torch']}, " in devices[0]
    assert "torch 99.0, " in devices[1]
    table = report_tables(report)["table"][0]
    notes = {row.label: [table.footnotes[note - 1] for note in row.notes] for row in table.rows}
    assert notes == {"input": [f"scored with torch {versions['torch']}"], "nafnet": ["scored with torch 99.0"]}


def scored(libraries: dict[str, tuple[str, ...]]) -> Report:
    rows = [("r", "test", m, "", 1, str(i), "psnr", 30.0 + i, m) for m in libraries for i in range(2)]
    methods = tuple(MethodInfo(label, "regression", libraries=found) for label, found in libraries.items())
    psnr = MetricInfo("psnr", "PSNR", "up", 2, "psnr")
    frame = pd.DataFrame(rows, columns=list(COLUMNS))
    return replace(Report("x", frame, (psnr,), methods, baseline="a"), ood=())


def test_compared_runs_of_other_versions_say_so_in_every_table() -> None:
    old, new = (
        scored({"a": ("numpy 2.0", "torch 1")}),
        scored({"b": ("numpy 2.0", "torch 2"), "c": ("numpy 2.0", "torch 2")}),
    )
    tables = report_tables(join_reports({"old": old, "new": new}, "a").report)
    assert tables["table"][0].footnotes[1:] == ("scored with torch 1", "scored with torch 2")
    assert tables["differences"][0].remarks[-1] == "Not scored alike: a scored with torch 1; b, c scored with torch 2."


def test_a_row_whose_seeds_other_versions_scored_says_so() -> None:
    table = report_tables(scored({"a": ("torch 1", "torch 2"), "b": ("torch 2",)}))["table"][0]
    assert [[table.footnotes[note - 1] for note in row.notes] for row in table.rows] == [
        ["scored with torch 1, torch 2"], ["scored with torch 2"],
    ]  # fmt: skip


def test_rows_of_the_same_versions_say_nothing() -> None:
    tables = report_tables(scored({"a": ("numpy 2", "torch 1"), "b": ("numpy 2", "torch 1")}))
    assert all(
        "scored with" not in text for found in tables.values() for t in found for text in (*t.footnotes, *t.remarks)
    )
