"""LPIPS and pyiqa: the plumbing with random weights, the fence against downloads, scores without memory."""

from __future__ import annotations

import os
import pickle
import socket
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from numpy.typing import NDArray
from torch import Tensor

from bench import metrics, weights
from bench.digest import known_digest
from bench.errors import BenchError, DataError, Unavailable, WeightsError
from bench.metrics.base import Image, SetMetric
from bench.metrics.fidelity import Ssim
from bench.metrics.iqa import PyiqaMetric
from bench.metrics.offline import offline
from bench.metrics.perceptual import Lpips

State = dict[str, Tensor]


def image_pair(size: int = 64, seed: int = 0) -> tuple[Image, Image]:
    rng = np.random.default_rng(seed)
    gt = rng.integers(0, 256, (size, size, 3), dtype=np.uint8)
    restored = np.clip(gt + rng.normal(0, 12, gt.shape), 0, 255).astype(np.uint8)
    return restored, gt


@pytest.fixture(autouse=True)
def empty_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without any weights; the folder is the user's own."""
    folder = tmp_path / "own"
    folder.mkdir()
    monkeypatch.setattr(weights, "_cache_folder", lambda: tmp_path / "cache")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv(weights.FOLDER_VARIABLE, str(folder))
    return folder


@pytest.fixture(scope="module")
def alexnet() -> State:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return dict(torchvision.models.alexnet(weights=None).state_dict())


def lpips_by_hand(backbone: State, x: Image, y: Image) -> float:
    """Zhang et al. 2018, equation 1, with AlexNet's five stages written out."""
    path = str(files("lpips") / "weights" / "v0.1" / "alex.pth")
    heads = torch.load(path, map_location="cpu", weights_only=True)
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    stages = [(0, 4, 2, False), (3, 1, 2, True), (6, 1, 1, True), (8, 1, 1, False), (10, 1, 1, False)]
    h = torch.stack([torch.from_numpy(image.astype(np.float32)) for image in (x, y)]) / 127.5 - 1
    h = ((h - shift) / scale).permute(0, 3, 1, 2)
    total = 0.0
    for number, (layer, stride, padding, pool) in enumerate(stages):
        if pool:
            h = torch.nn.functional.max_pool2d(h, 3, 2)
        weight, bias = backbone[f"features.{layer}.weight"], backbone[f"features.{layer}.bias"]
        h = torch.nn.functional.conv2d(h, weight, bias, stride=stride, padding=padding).clamp(min=0)
        unit = h / (h.norm(dim=1, keepdim=True) + 1e-10)
        head = heads[f"lin{number}.model.1.weight"][0]
        total += float((head * (unit[0] - unit[1]) ** 2).sum(dim=0).mean())
    return total


def test_lpips_is_its_definition(alexnet: State) -> None:
    restored, gt = image_pair()
    expected = lpips_by_hand(alexnet, restored, gt)
    assert expected > 1e-4
    assert Lpips("alex", alexnet, "0" * 64).score(restored, gt) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_lpips_is_a_symmetric_difference_that_ignores_the_global_generator(alexnet: State) -> None:
    state = torch.random.get_rng_state()
    metric = Lpips("alex", alexnet, "abcdef0123")
    restored, gt = image_pair()
    assert metric.protocol == f"lpips{version('lpips')}/alex0.1/rgb/8bit/v1/weights:abcdef01"
    assert metric.score(gt, gt) == 0
    assert metric.score(restored, gt) == pytest.approx(metric.score(gt, restored), rel=1e-6)
    assert torch.equal(torch.random.get_rng_state(), state)


def test_lpips_refuses_another_network(alexnet: State) -> None:
    with pytest.raises(WeightsError, match="not torchvision's alexnet"):
        Lpips("alex", {key: value for key, value in alexnet.items() if "features.10" not in key}, "0" * 8)


def test_lpips_finds_its_backbone_in_the_users_folder(
    alexnet: State, empty_machine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Unavailable, match="bench weights fetch alexnet"):
        metrics.create("lpips")
    path = empty_machine / weights.find("alexnet").file
    torch.save({key: value for key, value in alexnet.items() if key.startswith("features.")}, path)
    assert metrics.availability("lpips") is None
    with pytest.raises(WeightsError, match="expected 7be5be79"):
        metrics.create("lpips")
    entry = weights.WeightFile("alexnet", weights.find("alexnet").url, known_digest(path), 1, "none", "test")
    monkeypatch.setattr(weights, "BACKBONES", (entry,))
    metric = metrics.create("lpips")
    assert not isinstance(metric, SetMetric)
    restored, gt = image_pair()
    assert metric.score(restored, gt) == Lpips("alex", alexnet, "0" * 8).score(restored, gt)
    assert metric.protocol.endswith(f"weights:{entry.sha256[:8]}")


def gmsd_by_hand(x: Image, y: Image) -> float:
    """Xue et al. 2014 on pyiqa's luma: YIQ's Y, rounded, halved by 2x2 means, Prewitt gradients, c = 170."""

    def magnitude(image: Image) -> NDArray[np.float64]:
        luma = np.round(image.astype(np.float64) @ np.array([0.299, 0.587, 0.114]))
        half = luma.reshape(luma.shape[0] // 2, 2, -1, 2).mean(axis=(1, 3))
        padded = np.pad(half, 1)
        h, w = half.shape
        window = [[padded[i : i + h, j : j + w] for j in range(3)] for i in range(3)]
        across = sum(row[0] - row[2] for row in window) / 3
        down = sum(window[0][j] - window[2][j] for j in range(3)) / 3
        return np.asarray(np.sqrt(across**2 + down**2 + 1e-12))

    a, b = magnitude(x), magnitude(y)
    return float(((2 * a * b + 170) / (a**2 + b**2 + 170)).std(ddof=1))


def test_pyiqa_gets_our_images_in_its_convention() -> None:
    restored, gt = image_pair()
    assert PyiqaMetric("pyiqa.ssimc").score(restored, gt) == pytest.approx(Ssim().score(restored, gt), abs=1e-6)
    assert PyiqaMetric("gmsd").score(restored, gt) == pytest.approx(gmsd_by_hand(restored, gt), abs=1e-6)


@pytest.mark.parametrize("name", ["gmsd", "fsim", "vif", "vsi", "nlpd", "cw_ssim"])
def test_pyiqa_metrics_without_weights_rank_equal_images_best(name: str) -> None:
    metric = metrics.create(name)
    assert not isinstance(metric, SetMetric)
    restored, gt = image_pair()
    first, equal = metric.score(restored, gt), metric.score(gt, gt)
    assert (equal > first) == metric.higher_is_better
    assert metric.score(restored, gt) == first
    assert metric.protocol.startswith(f"{name}/pyiqa")


def test_pyiqa_errors_name_metric_and_size() -> None:
    restored, gt = image_pair(32)
    with pytest.raises(DataError, match="ms_ssim: pyiqa cannot score 32x32"):
        PyiqaMetric("ms_ssim").score(restored, gt)
    with pytest.raises(BenchError, match="piqe: the score is nan"):
        PyiqaMetric("piqe").score(np.zeros_like(gt), gt)


def test_random_crops_are_the_same_every_time_and_leave_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    metric = PyiqaMetric("gmsd")
    monkeypatch.setattr(metric, "_model", lambda x, y: torch.rand(1) + np.random.rand())  # noqa: NPY002
    restored, gt = image_pair(16)
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    assert metric.score(restored, gt) == metric.score(restored, gt)
    assert torch.equal(torch.random.get_rng_state(), before[0])
    np.testing.assert_array_equal(np.random.get_state()[1], before[1])  # type: ignore[index]  # noqa: NPY002


@pytest.mark.parametrize("name", ["pyiqa.brisque", "pyiqa.lpips", "pyiqa.cnniqa"])
def test_pyiqa_metrics_with_weights_say_which_file_they_lack(name: str, empty_machine: Path) -> None:
    with pytest.raises(
        Unavailable, match=rf"{name}: \S+ is not on this machine: download https://\S+ into {empty_machine}"
    ):
        metrics.create(name)


def test_the_fence_answers_downloads_from_the_users_folder(empty_machine: Path, tmp_path: Path) -> None:
    torch.save({"a": torch.ones(2)}, empty_machine / "net.pth")
    with offline("some"):
        state = torch.hub.load_state_dict_from_url("https://example.org/net.pth", model_dir=str(tmp_path / "hub"))
        assert torch.equal(state["a"], torch.ones(2))
        with pytest.raises(Unavailable, match=r"some: other\.pth is not on this machine"):
            torch.hub.load_state_dict_from_url("https://example.org/other.pth", model_dir=str(tmp_path / "hub"))


def test_the_fence_refuses_the_network_and_code_in_pickles_and_goes_away(tmp_path: Path) -> None:
    before = socket.getaddrinfo, torch.hub.download_url_to_file, dict(os.environ)
    with (tmp_path / "evil.pth").open("wb") as file:
        pickle.dump({"call": os.getcwd}, file)
    with offline("some"):
        with pytest.raises(Unavailable, match=r"some: its library would download from 'example\.org'"):
            socket.create_connection(("example.org", 443))
        with pytest.raises(pickle.UnpicklingError):
            torch.load(tmp_path / "evil.pth", weights_only=False)
    assert (socket.getaddrinfo, torch.hub.download_url_to_file, dict(os.environ)) == before
