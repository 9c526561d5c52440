"""The tables of weight files: complete, unambiguous, and true to the networks that they are for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

import pytest
import torch

from bench.registry import BACKBONES, RELEASED, Checkpoint, WeightFile
from bench.row import Row
from bench.suite import Suite, load_suite
from methods.base import Method, names

Write: TypeAlias = Callable[[object], Path]


def needed(entry: Checkpoint) -> set[str]:
    """The methods that a row with this file is built from."""
    peers = [value for field, value in entry.config.items() if field in ("regressor", "prior", "pretrained")]
    return {entry.method, *(method for peer in peers for method in peer)}


KNOWN = [entry for entry in RELEASED if needed(entry) <= set(names())]
EXACT = [entry for entry in KNOWN if entry.size and not entry.at_most]


@pytest.mark.parametrize("entry", [*BACKBONES, *RELEASED], ids=lambda entry: entry.name)
def test_an_entry_says_where_a_file_comes_from_and_goes(entry: WeightFile) -> None:
    assert entry.url.startswith("https://")
    assert entry.licence
    assert entry.purpose
    assert entry.size > 0 or entry.by_hand  # the size bounds what a server may send
    assert re.fullmatch(r"[0-9a-f]*", entry.sha256)
    path = PurePosixPath(entry.file)
    assert path.suffix in (".pth", ".mat", ".safetensors")
    assert not path.is_absolute()
    assert ".." not in path.parts


def test_digests_are_those_in_the_file_names() -> None:
    stated = {entry.name: re.search(r"-([0-9a-f]{8})\.pth$", entry.file) for entry in (*BACKBONES, *RELEASED)}
    for entry in (*BACKBONES, *RELEASED):
        if found := stated[entry.name]:
            assert entry.sha256.startswith(found[1])


def test_names_and_places_are_unique() -> None:
    entries = (*BACKBONES, *RELEASED)
    assert len({entry.name for entry in entries}) == len(entries)
    assert len({entry.file for entry in entries}) == len(entries)
    assert not {entry.name for entry in entries} & {entry.release for entry in RELEASED}


def test_a_task_has_one_official_file_per_stage() -> None:
    claims = [(e.method, e.stage, task, e.side, e.scale) for e in RELEASED for task in e.tasks]
    assert len(set(claims)) == len(claims)


def suite_of(entry: Checkpoint, write_suite: Write, task: str, **row: Any) -> Suite:
    """A suite that only measures, whose one row asks for the file by name."""
    side = entry.side or 64
    degradation = [] if entry.scale is None else [{"op": "downsample", "scale": entry.scale}]
    return load_suite(write_suite({
        "name": "one", "task": task, "metrics": [], "measure": {"size": side}, "degradation": degradation,
        "methods": {entry.method: {"weights": f"official:{entry.name}", **row}},
    }))  # fmt: skip


def built(entry: Checkpoint, write_suite: Write) -> tuple[Row, Method]:
    suite = suite_of(entry, write_suite, (entry.tasks or ("deblur",))[0])
    return suite.rows[0], suite.rows[0].build(suite.task)


@pytest.mark.parametrize("entry", KNOWN, ids=lambda entry: entry.name)
def test_a_checkpoint_replaces_a_stage_of_its_method(entry: Checkpoint, write_suite: Write) -> None:
    row, method = built(entry, write_suite)
    assert row.weights == {entry.stage: entry}
    assert entry.stage in {stage.name for stage in method.stages()}
    assert method.facts.title
    assert method.facts.venue


@pytest.mark.parametrize("entry", EXACT, ids=lambda entry: entry.name)
def test_the_config_builds_a_network_of_the_files_size(entry: Checkpoint, write_suite: Write) -> None:
    _, method = built(entry, write_suite)
    with torch.device("meta"):
        state = method.network().state_dict()
    assert sum(4 * value.numel() for value in state.values()) == pytest.approx(entry.size, rel=0.01)


@pytest.mark.parametrize(
    ("name", "millions"),
    [("gfpgan-v1", 76.21), ("gfpgan-v1.4", 86.44), ("gpen-bfr-512", 71.01), ("gpen-bfr-256", 18.88), ("vqfr-v1", 76.56),
     ("vqfr-v2", 83.49), ("gcfsr-blind", 88.70), ("stylegan2-ffhq-512", 24.86)],
)  # fmt: skip
def test_the_config_builds_the_published_network(name: str, millions: float, write_suite: Write) -> None:
    """Parameter counts of the released networks."""
    [entry] = [entry for entry in RELEASED if entry.name == name]
    _, method = built(entry, write_suite)
    with torch.device("meta"):
        network = method.network()
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.01)
