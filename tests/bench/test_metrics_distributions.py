"""FID and KID against SciPy's matrix square root and torch-fidelity, on features that need no weights."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from numpy.typing import NDArray
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric
from torch_fidelity.metric_kid import kid_features_to_metric

from bench import metrics, weights
from bench.digest import known_digest
from bench.errors import DataError
from bench.metrics.base import Image, SetMetric
from bench.metrics.distributions import Fid, Kid, frechet_distance, kernel_distance
from bench.metrics.features import RememberedFeatures, inception

Matrix = NDArray[np.float64]


def feature_sets(n: int, m: int, dimension: int, seed: int = 0) -> tuple[Matrix, Matrix]:
    rng = np.random.default_rng(seed)
    mix = rng.normal(size=(dimension, dimension)) / np.sqrt(dimension)
    x = np.abs(rng.normal(size=(n, dimension)) @ mix)
    y = np.abs(rng.normal(0.1, 1.2, size=(m, dimension)) @ mix)
    return x, y


def sqrtm_distance(x: Matrix, y: Matrix) -> float:
    shift = x.mean(axis=0) - y.mean(axis=0)
    s_x, s_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(np.trace(scipy.linalg.sqrtm(s_x @ s_y)))
    return float(shift @ shift + np.trace(s_x) + np.trace(s_y) - 2 * root)


def moments_extractor(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Mean, deviation and mean product of neighbouring pixels of each channel: (N, 9)."""
    unit = batch.astype(np.float64) / 255
    neighbours = (unit[:, 1:] * unit[:, :-1]).mean(axis=(1, 2))
    return np.concatenate([unit.mean(axis=(1, 2)), unit.std(axis=(1, 2)), neighbours], axis=1).astype(np.float32)


def images(n: int, seed: int, size: int = 16) -> list[Image]:
    rng = np.random.default_rng(seed)
    return [np.clip(rng.normal(120 + i, 40, (size, size, 3)), 0, 255).astype(np.uint8) for i in range(n)]


@pytest.mark.parametrize(("n", "m"), [(200, 200), (300, 150)])
def test_fid_is_the_matrix_square_root(n: int, m: int) -> None:
    x, y = feature_sets(n, m, dimension=24)
    assert frechet_distance(x, y) == pytest.approx(sqrtm_distance(x, y), rel=1e-6)


@pytest.mark.parametrize(("n", "m", "dimension"), [(200, 220, 48), (20, 20, 48), (20, 90, 48), (48, 48, 48)])
def test_fid_is_torch_fidelity_on_both_paths(n: int, m: int, dimension: int) -> None:
    x, y = feature_sets(n, m, dimension)
    stats = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in (x, y)]
    expected = fid_statistics_to_metric(*stats, verbose=False)["frechet_inception_distance"]
    assert frechet_distance(x, y) == pytest.approx(expected, rel=1e-5)


def test_both_paths_agree_where_they_meet() -> None:
    x, y = feature_sets(43, 43, dimension=40)
    padded = [np.pad(rows, ((0, 0), (0, 3))) for rows in (x, y)]  # zero features turn the low-rank path on
    assert frechet_distance(*padded) == pytest.approx(frechet_distance(x, y), rel=1e-9)


def test_dead_features_change_nothing() -> None:
    x, y = feature_sets(90, 90, dimension=40)
    dead = [np.pad(rows, ((0, 0), (2, 3))) for rows in (x, y)]  # singular covariances on the full-rank path
    assert frechet_distance(*dead) == pytest.approx(frechet_distance(x, y), rel=1e-7)
    assert frechet_distance(dead[1], dead[0]) == pytest.approx(frechet_distance(*dead), rel=1e-7)


def test_fid_of_shifted_features_is_the_squared_shift() -> None:
    x, _ = feature_sets(60, 60, dimension=8)
    assert frechet_distance(x, x + 0.5) == pytest.approx(8 * 0.25, rel=1e-9)


@pytest.mark.parametrize("dimension", [12, 80])
def test_fid_is_symmetric_zero_on_itself_and_blind_to_order(dimension: int) -> None:
    x, y = feature_sets(50, 40, dimension)
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-9)
    assert frechet_distance(x[::-1], y) == pytest.approx(frechet_distance(x, y), rel=1e-9)


@pytest.mark.parametrize(("n", "subsets", "size"), [(60, 100, 60), (80, 7, 50)])
def test_kid_is_torch_fidelity(n: int, subsets: int, size: int) -> None:
    x, y = feature_sets(n, n, dimension=30)
    expected = kid_features_to_metric(
        torch.from_numpy(x),
        torch.from_numpy(y),
        kid_subsets=subsets,
        kid_subset_size=size,
        rng_seed=2020,
        verbose=False,
    )["kernel_inception_distance_mean"]
    assert kernel_distance(x, y, subsets, size) == pytest.approx(expected, rel=1e-9)


def test_kid_is_its_definition() -> None:
    x, y = feature_sets(6, 6, dimension=4)

    def kernel(a: Matrix, b: Matrix) -> float:
        return float((a @ b / 4 + 1) ** 3)

    within = [kernel(s[i], s[j]) for s in (x, y) for i in range(6) for j in range(6) if i != j]
    between = [kernel(a, b) for a in x for b in y]
    assert kernel_distance(x, y) == pytest.approx(sum(within) / 30 - 2 * sum(between) / 36, rel=1e-12)


@pytest.mark.parametrize("distance", [frechet_distance, kernel_distance])
def test_sets_that_cannot_be_compared_are_refused(distance: object) -> None:
    x, y = feature_sets(5, 5, dimension=6)
    assert callable(distance)
    with pytest.raises(DataError, match="two images in each set, got 1 restored and 5 gt"):
        distance(x[:1], y)
    with pytest.raises(DataError, match="width: 6 and 4"):
        distance(x, y[:, :4])
    y[2, 3] = np.nan
    with pytest.raises(DataError, match="not finite"):
        distance(x, y)


@pytest.mark.parametrize("metric", [Fid, Kid])
def test_scores_do_not_depend_on_batches_or_order(metric: type[Fid | Kid]) -> None:
    restored, gt = images(13, seed=1), images(13, seed=2)
    scores = [
        metric(RememberedFeatures("moments", moments_extractor, batch_size)).score(iter(a), iter(b))
        for batch_size, a, b in [(16, restored, gt), (1, restored, gt), (5, restored[::-1], gt[3:] + gt[:3])]
    ]
    assert scores == pytest.approx([scores[0]] * 3, rel=1e-9)
    assert scores[0] != 0


def test_features_are_computed_once_per_distinct_image_and_size() -> None:
    batches: list[tuple[int, ...]] = []

    def counted(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        batches.append(batch.shape)
        return moments_extractor(batch)

    features = RememberedFeatures("moments", counted, batch_size=4)
    small, large = images(5, seed=1), images(2, seed=1, size=20)
    mixed = [*small, *large, small[0]]
    first = features(mixed)
    assert batches == [(4, 16, 16, 3), (1, 16, 16, 3), (2, 20, 20, 3)]
    np.testing.assert_array_equal(features(mixed), first)
    assert len(batches) == 3
    np.testing.assert_array_equal(first[0], first[-1])


def test_forgotten_features_are_computed_again() -> None:
    features = RememberedFeatures("moments", moments_extractor, batch_size=2, capacity=3)
    many = images(8, seed=4)
    np.testing.assert_array_equal(features(many), features(many))


def test_protocols_name_features_reference_and_count() -> None:
    features = RememberedFeatures("moments9", moments_extractor)
    assert Fid(features).protocol_for(500) == "fid/moments9/ref=gt/rgb/8bit/v1/N=500"
    assert Kid(features).protocol_for(3000).endswith("subsets=100x1000/N=3000")
    assert isinstance(Fid(features), SetMetric)


def test_empty_sets_are_refused() -> None:
    with pytest.raises(DataError, match="no images"):
        Fid(RememberedFeatures("moments", moments_extractor)).score([], [])


@pytest.fixture
def random_inception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.nn.Module]:
    """torch-fidelity's network with random weights, its file registered as the real one."""
    module = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
    with monkeypatch.context() as patch:
        patch.setattr(module.FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        patch.setattr(module, "load_state_dict_from_url", lambda *_, **__: {})
        network: torch.nn.Module = module.FeatureExtractorInceptionV3("inception-v3-compat", ["2048"])
    path = tmp_path / weights.find("inception").file
    torch.save(network.state_dict(), path)
    entry = weights.WeightFile("inception", weights.find("inception").url, known_digest(path), 1, "none", "test")
    monkeypatch.setattr(weights, "BACKBONES", (entry,))
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(tmp_path))
    inception.cache_clear()
    yield network
    inception.cache_clear()


@pytest.mark.slow
def test_fid_from_a_local_file_uses_its_network(random_inception: torch.nn.Module) -> None:
    gt, restored = images(2, seed=1, size=24), images(2, seed=2, size=24)
    fid = metrics.create("fid")
    assert isinstance(fid, Fid)
    nchw = torch.from_numpy(np.stack(gt + restored)).permute(0, 3, 1, 2).contiguous()
    with torch.inference_mode():
        expected = random_inception(nchw)[0].double().numpy()
    np.testing.assert_allclose(fid.features(gt + restored), expected, rtol=1e-4, atol=1e-5)
    assert fid.score(restored, gt) == pytest.approx(frechet_distance(expected[2:], expected[:2]), rel=1e-3)
    kid = metrics.create("kid")
    assert isinstance(kid, Kid)
    assert kid.features is fid.features
