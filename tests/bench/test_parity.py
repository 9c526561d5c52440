"""The oracles' rules, and our networks on the small ones."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from bench.cli import app
from bench.parity.oracle import Case, draw_weight, make_input, relative_error, structured_input
from bench.parity.probe import find_cases, judge

GOLDENS = Path(__file__).parents[1] / "goldens" / "parity"


@pytest.mark.parametrize("case", find_cases([GOLDENS]), ids=lambda case: case.name)
def test_our_network_equals_the_released_one(case: Case) -> None:
    verdict = judge(case)
    assert verdict.passed, f"{verdict.worst}: {verdict.error} {verdict.reason}"


def test_the_fill_rule() -> None:
    assert draw_weight("a.running_var", [1000], 0).min() >= 0.5
    assert draw_weight("a.weight", [64, 32, 3, 3], 0).std() == pytest.approx(1 / (32 * 9) ** 0.5, rel=0.02)
    assert draw_weight("a.weight", [4000], 0).mean() == pytest.approx(1, abs=0.01)
    assert draw_weight("a.bias", [4000], 0).std() == pytest.approx(0.1, rel=0.05)
    doubled = draw_weight("a.bias", [5], 0, gain=2, offset=1)
    assert torch.equal(doubled, draw_weight("a.bias", [5], 0) * 2 + 1)
    assert not torch.equal(draw_weight("a.bias", [5], 0), draw_weight("b.bias", [5], 0))
    assert not torch.equal(draw_weight("a.bias", [5], 0), draw_weight("a.bias", [5], 1))


def test_inputs_stay_in_their_range() -> None:
    drawn = make_input((2, 3, 16, 16), 1, -2, 2)
    assert drawn.dtype == torch.float32
    assert -2 <= float(drawn.min()) < -1.8
    assert structured_input((1, 3, 16, 16), 1).shape == (1, 3, 16, 16)


def test_the_error_is_relative_to_the_spread() -> None:
    golden = np.array([[0.0, 2.0, 4.0, 6.0]])
    ours = torch.tensor([[1.0, 3.0, 5.0, 7.0]])
    assert relative_error(ours, golden, [1, 1]) == pytest.approx(1 / np.std(golden))
    assert relative_error(torch.tensor([[0.0, 9.0, 4.0, 9.0]]), golden[:, ::2], [1, 2]) == 0
    with pytest.raises(ValueError, match="not finite"):
        relative_error(torch.tensor([[float("nan")] * 4]), golden, [1, 1])
    with pytest.raises(ValueError, match="shape"):
        relative_error(ours[:, :2], golden, [1, 1])


def test_a_network_that_differs_fails_and_hides_no_other(tmp_path: Path) -> None:
    for name in ("ugpnet_fusion64", "stylegan2_disc_small"):
        shutil.copytree(GOLDENS / name, tmp_path / name)
    manifest = tmp_path / "ugpnet_fusion64" / "case.json"
    changed = json.loads(manifest.read_text()) | {"seed": 1}
    manifest.write_text(json.dumps(changed))
    result = CliRunner().invoke(app, ["parity", str(tmp_path)])
    assert result.exit_code == 1
    assert "FAIL" in result.output
    assert "1 of 2 cases pass" in result.output


def test_a_state_that_does_not_match_is_named(tmp_path: Path) -> None:
    shutil.copytree(GOLDENS / "ugpnet_fusion64", tmp_path / "case")
    manifest = json.loads((tmp_path / "case" / "case.json").read_text())
    manifest["state"]["extra.weight"] = {"shape": [3]}
    (tmp_path / "case" / "case.json").write_text(json.dumps(manifest))
    verdict = judge(Case(tmp_path / "case"))
    assert not verdict.passed
    assert "our network lacks 1 entries: ['extra.weight']" in verdict.reason
