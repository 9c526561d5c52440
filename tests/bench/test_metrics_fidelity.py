"""PSNR and SSIM against scikit-image and against BasicSR's formulas, written out here with cv2."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.color import rgb2ycbcr
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from bench.errors import DataError
from bench.metrics.base import Image
from bench.metrics.fidelity import Channels, Psnr, Ssim, luma

SIZES = [(11, 11), (11, 64), (26, 34), (42, 43), (64, 64), (75, 130)]  # at, below and across strips and blocks


def image_pair(height: int, width: int, seed: int = 0, noise: float = 12) -> tuple[Image, Image]:
    rng = np.random.default_rng(seed)
    smooth = cv2.GaussianBlur(rng.uniform(0, 255, (height, width, 3)), (0, 0), 1.2)
    noisy = smooth + rng.normal(0, noise, smooth.shape)
    gt, restored = (np.clip(np.round(image), 0, 255).astype(np.uint8) for image in (smooth, noisy))
    return restored, gt


def gaussian_ssim(x: NDArray[Any], y: NDArray[Any], channel_axis: int | None) -> float:
    settings_of_wang = {
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
        "data_range": 255,
    }
    ssim: Any = structural_similarity
    return float(ssim(x, y, channel_axis=channel_axis, **settings_of_wang))


def skimage_psnr(gt: NDArray[Any], restored: NDArray[Any]) -> float:
    psnr: Any = peak_signal_noise_ratio
    return float(psnr(gt, restored, data_range=255))


def basicsr_ssim(x: NDArray[Any], y: NDArray[Any]) -> float:
    kernel = cv2.getGaussianKernel(11, 1.5)
    window = np.outer(kernel, kernel)

    def filtered(plane: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(cv2.filter2D(plane, -1, window)[5:-5, 5:-5])

    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mu_x, mu_y = filtered(x), filtered(y)
    var_x, var_y = filtered(x * x) - mu_x**2, filtered(y * y) - mu_y**2
    cov = filtered(x * y) - mu_x * mu_y
    ssim = (2 * mu_x * mu_y + c1) * (2 * cov + c2) / ((mu_x**2 + mu_y**2 + c1) * (var_x + var_y + c2))
    return float(ssim.mean())


def basicsr_luma(image: Image) -> NDArray[np.float32]:
    bgr = image[..., ::-1].astype(np.float32) / 255
    y = (np.dot(bgr, [24.966, 128.553, 65.481]) + 16.0) / 255
    luma_255: NDArray[np.float32] = y.astype(np.float32) * np.float32(255)
    return luma_255


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_ssim_is_skimage_with_gaussian_window(height: int, width: int) -> None:
    restored, gt = image_pair(height, width)
    assert Ssim().score(restored, gt) == pytest.approx(gaussian_ssim(restored, gt, 2), abs=1e-12)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_ssim_is_basicsr(height: int, width: int) -> None:
    restored, gt = image_pair(height, width)
    channels = [basicsr_ssim(restored[..., c] * 1.0, gt[..., c] * 1.0) for c in range(3)]
    assert Ssim().score(restored, gt) == pytest.approx(np.mean(channels), abs=1e-9)


def test_ssim_on_luma_is_skimage_on_its_own_luma() -> None:
    restored, gt = image_pair(64, 48)
    expected = gaussian_ssim(rgb2ycbcr(restored)[..., 0], rgb2ycbcr(gt)[..., 0], None)
    assert Ssim("y").score(restored, gt) == pytest.approx(expected, abs=1e-12)


def test_psnr_is_skimage() -> None:
    restored, gt = image_pair(37, 64)
    assert Psnr().score(restored, gt) == pytest.approx(skimage_psnr(gt, restored))


def test_psnr_is_exact_for_the_largest_error() -> None:
    black, white = np.zeros((512, 512, 3), np.uint8), np.full((512, 512, 3), 255, np.uint8)
    assert Psnr().score(black, white) == Psnr().score(white, black) == 0


def test_psnr_on_luma_is_skimage_on_its_own_luma() -> None:
    restored, gt = image_pair(64, 48)
    np.testing.assert_allclose(luma(gt), rgb2ycbcr(gt)[..., 0], rtol=0, atol=1e-10)
    expected = skimage_psnr(rgb2ycbcr(gt)[..., 0], rgb2ycbcr(restored)[..., 0])
    assert Psnr("y").score(restored, gt) == pytest.approx(expected, abs=1e-9)


def test_luma_scores_meet_basicsr_despite_its_float32() -> None:
    restored, gt = image_pair(64, 64)
    x, y = (basicsr_luma(image).astype(np.float64) for image in (restored, gt))
    assert Psnr("y").score(restored, gt) == pytest.approx(10 * math.log10(255**2 / np.mean((x - y) ** 2)), abs=1e-6)
    assert Ssim("y").score(restored, gt) == pytest.approx(basicsr_ssim(x, y), abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(11, 50), st.integers(11, 50), st.integers(0, 2**16), st.sampled_from(["rgb", "y"]))
def test_scores_are_symmetric_and_best_for_equal_images(h: int, w: int, seed: int, channels: Channels) -> None:
    restored, gt = image_pair(h, w, seed, noise=40)
    for metric in (Psnr(channels), Ssim(channels)):
        assert metric.score(restored, gt) == pytest.approx(metric.score(gt, restored), rel=1e-12)
        assert metric.score(gt, gt) > metric.score(restored, gt)
    assert Ssim(channels).score(gt, gt) == pytest.approx(1, abs=1e-12)
    assert Psnr(channels).score(gt, gt) == math.inf


def test_arguments_are_left_alone() -> None:
    restored, gt = image_pair(32, 32)
    before = restored.copy(), gt.copy()
    for metric in (Psnr(), Psnr("y"), Ssim(), Ssim("y")):
        metric.score(restored, gt)
    np.testing.assert_array_equal(restored, before[0])
    np.testing.assert_array_equal(gt, before[1])


@pytest.mark.parametrize("metric", [Psnr(), Psnr("y"), Ssim(), Ssim("y")])
def test_images_that_do_not_fit_are_named(metric: Psnr | Ssim) -> None:
    restored, gt = image_pair(32, 48)
    with pytest.raises(DataError, match=r"restored is 32x40 .* gt is 32x48"):
        metric.score(np.ascontiguousarray(restored[:, :40]), gt)
    with pytest.raises(DataError, match=r"uint8 images .* float64 \(32, 48, 3\)"):
        metric.score(restored.astype(np.float64), gt)
    with pytest.raises(DataError, match=r"got uint8 \(32, 48\)"):
        metric.score(restored[..., 0], gt[..., 0])


def test_ssim_needs_one_window() -> None:
    restored, gt = image_pair(10, 64)
    with pytest.raises(DataError, match="needs 11 pixels a side, got 10x64"):
        Ssim().score(restored, gt)


def test_protocols_tell_the_variants_apart() -> None:
    assert Psnr().protocol == "psnr/rgb/8bit/crop0/v1"
    protocols = {metric.protocol for metric in (Psnr(), Psnr("y"), Ssim(), Ssim("y"))}
    assert len(protocols) == 4
