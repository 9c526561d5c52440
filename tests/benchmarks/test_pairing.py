import json
from itertools import count
from pathlib import Path

import pytest

from benchmarks import pairing


def test_ours_and_the_peer_take_turns_at_going_first_after_a_warm_up() -> None:
    calls: list[str] = []
    comparison = pairing.compare(lambda: calls.append("ours"), lambda: calls.append("peer"), rounds=2)
    assert calls == ["ours", "peer", "ours", "peer", "peer", "ours"]
    assert len(comparison.ratios) == 2


def test_a_clock_that_ticks_once_a_reading_gives_ratios_of_one() -> None:
    ticks = count()
    comparison = pairing.compare(lambda: None, lambda: None, rounds=3, clock=lambda: float(next(ticks)))
    assert comparison.ratio == 1
    assert comparison.quartiles == (1, 1)


def test_the_ratio_is_the_median_of_the_rounds_and_not_of_the_times() -> None:
    comparison = pairing.Comparison((1.0, 20.0, 3.0), (2.0, 10.0, 12.0))
    assert comparison.ratios == [0.5, 2.0, 0.25]
    assert comparison.ratio == 0.5
    assert comparison.quartiles == (0.375, 1.25)


def test_one_round_has_no_spread() -> None:
    assert pairing.Comparison((1.0,), (2.0,)).quartiles == (0.5, 0.5)


@pytest.mark.parametrize("difference", [2e-4, float("nan")])
def test_outputs_that_differ_are_not_timed(difference: float) -> None:
    with pytest.raises(SystemExit, match="not timed"):
        pairing.require_agreement("a", difference, 1e-4)
    assert pairing.require_agreement("a", 1e-5, 1e-4) == 1e-5


def test_a_missing_peer_ends_the_script_with_the_line_that_installs_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        pairing.require_peers("json", "no_such_package")
    assert exit_.value.code == 2
    assert "no_such_package; run: pip install" in capsys.readouterr().err


def test_the_file_holds_every_round_and_its_summary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comparison = pairing.Comparison((1.0, 1.0), (2.0, 2.0))
    pairing.present([pairing.Row("ours", "peer", 0.6, comparison, 1e-7)], tmp_path / "rows.json")
    assert "0.50-0.50" in capsys.readouterr().out
    [row] = json.loads((tmp_path / "rows.json").read_text())["rows"]
    assert row["ratio"] == 0.5
    assert row["comparison"]["peer_seconds"] == [2.0, 2.0]
