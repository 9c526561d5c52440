"""What `create` and `availability` promise for every short name."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import metrics, weights
from bench.errors import BenchError, Unavailable
from bench.metrics import names
from bench.metrics.base import SetMetric

NEED_WEIGHTS = {"niqe", "dists", "lpips", "lpips_vgg", "fid", "kid"}


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(weights, "_cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv(weights.FOLDER_VARIABLE, raising=False)
    return tmp_path / "cache"


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in names.known() if name not in NEED_WEIGHTS])
def test_metrics_without_weights_are_built(name: str) -> None:
    assert metrics.availability(name) is None
    metric, spec = metrics.create(name), names.spec(name)
    assert metric.name == name
    assert metric.higher_is_better == spec.higher_is_better
    assert isinstance(metric, SetMetric) == spec.of_set
    assert "/8bit/" in metric.protocol


@pytest.mark.parametrize("name", sorted(NEED_WEIGHTS))
def test_missing_weights_are_a_status_with_a_remedy(name: str, empty_machine: Path) -> None:
    reason = metrics.availability(name)
    assert reason is not None
    for needed in names.spec(name).weights:
        assert weights.find(needed).url in reason
    assert f"{name} needs weights: run `bench weights fetch {' '.join(names.spec(name).weights)}`" in reason
    assert str(empty_machine) in reason
    assert weights.FOLDER_VARIABLE in reason
    with pytest.raises(Unavailable) as error:
        metrics.create(name)
    assert str(error.value) == reason


def test_unknown_names_are_mistakes_not_statuses() -> None:
    for call in (metrics.availability, metrics.create):
        with pytest.raises(BenchError, match="did you mean 'lpips'") as error:
            call("lpisp")
        assert not isinstance(error.value, Unavailable)
