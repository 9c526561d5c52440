"""Operators against OpenCV, SciPy and plain matrices; noise moments; range and determinism."""

import subprocess
import sys

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from pydantic import TypeAdapter, ValidationError
from scipy import ndimage

from bench.degradations import (
    Downsample,
    GaussianBlur,
    GaussianNoise,
    Jpeg,
    MotionBlur,
    Operator,
    PoissonNoise,
    degrade,
    total_scale,
)
from bench.degradations.convolution import convolve
from bench.degradations.motion import kernel_bank
from bench.degradations.operators import gaussian_kernel

OPERATORS = TypeAdapter(list[Operator])


def rng(*seed):
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(list(seed))))


def noise_image(height, width, seed=0):
    return rng(seed).random((height, width, 3), dtype=np.float32)


def flat_image(value, size=128):
    return np.full((size, size, 3), value, np.float32)


# Convolution


@pytest.mark.parametrize(
    ("height", "width", "size"), [(64, 64, 15), (31, 57, 9), (40, 33, 71), (16, 16, 3), (5, 97, 7)]
)
def test_convolve_equals_opencv(height, width, size):
    image, kernel = noise_image(height, width), rng(1).random((size, size), dtype=np.float32) / size**2
    expected = cv2.filter2D(image, -1, kernel[::-1, ::-1].copy(), borderType=cv2.BORDER_REFLECT_101)
    assert_allclose(convolve(image, kernel), expected, atol=2e-6)


def test_convolve_equals_scipy():
    image, kernel = noise_image(24, 37), kernel_bank(9, 4, 0)[2]
    expected = np.stack([ndimage.convolve(image[..., c], kernel, mode="mirror") for c in range(3)], axis=-1)
    assert_allclose(convolve(image, kernel), expected, atol=2e-6)


def test_a_point_becomes_the_kernel():
    image = np.zeros((31, 31, 3), np.float32)
    image[15, 15] = 1
    kernel = kernel_bank(15, 3, 0)[1]
    assert_allclose(convolve(image, kernel)[8:23, 8:23, 1], kernel, atol=1e-6)


def test_a_kernel_of_one_pixel_scales():
    image, kernel = noise_image(8, 9), np.zeros((5, 5), np.float32)
    kernel[2, 2] = 0.5
    assert_allclose(convolve(image, kernel), image / 2, atol=1e-6)


# Kernels


@pytest.mark.parametrize("size", [9, 15, 31, 71])
def test_motion_kernels_are_centred_distributions(size):
    kernels = kernel_bank(size, 50, 0).astype(np.float64)
    offsets = np.arange(size) - size // 2
    assert kernels.min() >= 0
    assert_allclose(kernels.sum(axis=(1, 2)), 1, atol=1e-6)
    assert_allclose(kernels.sum(axis=1) @ offsets, 0, atol=1e-5 * size)
    assert_allclose(kernels.sum(axis=2) @ offsets, 0, atol=1e-5 * size)


def test_motion_kernels_are_thin_curves_of_many_lengths():
    kernels = kernel_bank(71, 200, 0)
    assert np.median(np.count_nonzero(kernels > 1e-4, axis=(1, 2))) < 71 * 5
    reach = np.array([np.abs(np.argwhere(kernel) - 35).max() for kernel in kernels])
    assert reach.min() < 12
    assert reach.max() > 30


def test_a_bank_is_fixed_by_its_arguments():
    kept = kernel_bank(9, 5, 1)
    assert_array_equal(kept, kernel_bank.__wrapped__(9, 5, 1))
    assert not np.array_equal(kept, kernel_bank(9, 5, 2))
    assert not kept.flags.writeable


def test_an_isotropic_gaussian_equals_opencv():
    line = cv2.getGaussianKernel(41, 3.0)
    assert_allclose(gaussian_kernel(41, 3.0, 3.0, 0.7), line @ line.T, atol=1e-7)


def test_an_anisotropic_gaussian_has_its_covariance():
    angle = 0.6
    kernel = gaussian_kernel(61, 5.0, 2.0, angle).astype(np.float64)
    offsets = np.arange(61) - 30
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    covariance = [[(kernel * a * b).sum() for b in (x, y)] for a in (x, y)]
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert_allclose(covariance, turn @ np.diag([25, 4]) @ turn.T, atol=0.02)


def test_gaussian_blur_keeps_a_flat_image():
    blurred = GaussianBlur(sigma=(0.1, 10), anisotropic=0.5).apply(flat_image(0.4, 32), rng(3))
    assert_allclose(blurred, 0.4, atol=1e-6)


@pytest.mark.parametrize(("anisotropic", "equal"), [(0.0, True), (1.0, False)])
def test_gaussian_blur_is_anisotropic_as_often_as_asked(anisotropic, equal):
    image = np.zeros((61, 61, 3), np.float32)
    image[30, 30] = 1
    offsets = np.arange(61) - 30
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    for seed in range(5):
        blur = GaussianBlur(sigma=(1, 6), anisotropic=anisotropic).apply(image, rng(seed))[..., 0]
        small, large = np.linalg.eigvalsh([[(blur * a * b).sum() for b in (x, y)] for a in (x, y)])
        assert bool(large < 1.01 * small) == equal


# Noise


def test_gaussian_noise_has_its_moments():
    noisy = GaussianNoise(sigma=0.3).apply(flat_image(0.5), rng(0))
    assert noisy.dtype == np.float32
    assert noisy.mean() == pytest.approx(0.5, abs=0.005)
    assert noisy.std() == pytest.approx(0.3, rel=0.01)


@pytest.mark.parametrize("value", [0.1, 0.9])
def test_poisson_noise_has_its_moments(value):
    noisy = PoissonNoise(k=30).apply(flat_image(value), rng(0))
    assert noisy.mean() == pytest.approx(value, rel=0.01)
    assert noisy.var() == pytest.approx(value / 30, rel=0.03)
    assert_allclose(noisy * 30, np.rint(noisy * 30), atol=1e-4)


def test_poisson_noise_takes_negative_values_as_black():
    assert_array_equal(PoissonNoise(k=30).apply(flat_image(-0.2, 8), rng(0)), 0)


def test_a_range_is_drawn_for_each_image():
    spreads = [GaussianNoise(sigma=(0.1, 0.4)).apply(flat_image(0.5, 64), rng(s)).std() for s in range(40)]
    assert 0.095 < min(spreads) < 0.15
    assert 0.35 < max(spreads) < 0.41


# Down-sampling and JPEG


def bicubic_matrix(size, scale):
    """Rows of weights of Keys' kernel with a = -1/2 stretched by `scale`, cut off at the borders."""
    centres = (np.arange(size // scale) + 0.5) * scale
    t = np.abs((np.arange(size) + 0.5)[None] - centres[:, None]) / scale
    near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    weights = np.where(t < 1, near, np.where(t < 2, far, 0))
    return weights / weights.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_downsample_is_antialiased_bicubic(scale):
    image = noise_image(48, 72)
    expected = np.einsum("ih,hwc,jw->ijc", bicubic_matrix(48, scale), image.astype(float), bicubic_matrix(72, scale))
    assert_allclose(Downsample(scale=scale).apply(image, rng(0)), expected, atol=1e-6)


def test_downsample_refuses_a_remainder():
    with pytest.raises(ValueError, match="30 x 20 pixels cannot be reduced 8 times"):
        Downsample(scale=8).apply(noise_image(20, 30), rng(0))


def test_jpeg_equals_opencv():
    image = ndimage.gaussian_filter(noise_image(64, 64), (3, 3, 0))
    pixels = np.rint(image * 255).astype(np.uint8)
    _, file = cv2.imencode(".jpg", pixels[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 60])
    expected = cv2.imdecode(file, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255
    # Encoders round differently in a few pixels.
    assert np.abs(Jpeg(quality=60).apply(image, rng(0)) - expected).mean() < 1 / 255


def test_jpeg_quality_matters():
    image = noise_image(64, 64)
    errors = [np.abs(Jpeg(quality=q).apply(image, rng(0)) - image).mean() for q in (20, 95)]
    assert errors[0] > 1.1 * errors[1]


# Chains

CHAINS = st.lists(
    st.one_of(
        st.builds(MotionBlur, kernel_size=st.sampled_from([9, 15]), bank=st.just(20)),
        st.builds(GaussianBlur, sigma=st.floats(0.2, 4), anisotropic=st.floats(0, 1)),
        st.builds(GaussianNoise, sigma=st.floats(0, 0.5)),
        st.builds(PoissonNoise, k=st.floats(5, 100)),
        st.builds(Downsample, scale=st.sampled_from([1, 2])),
        st.builds(Jpeg, quality=st.integers(20, 95)),
    ),
    max_size=3,
)


@settings(max_examples=40, deadline=None)
@given(CHAINS, st.integers(0, 2**32))
def test_results_are_8_bit_images_fixed_by_the_seed(operators, seed):
    image = noise_image(16, 24)
    before = image.copy()
    degraded = degrade(image, operators, rng(seed))
    scale = total_scale(operators)
    assert degraded.shape == (16 // scale, 24 // scale, 3)
    assert degraded.dtype == np.float32
    assert degraded.min() >= 0
    assert degraded.max() <= 1
    assert_allclose(degraded * 255, np.rint(degraded * 255), atol=1e-4)
    assert_array_equal(degraded, degrade(image, operators, rng(seed)))
    assert_array_equal(image, before)


def test_an_empty_chain_keeps_an_8_bit_image():
    image = np.arange(256, dtype=np.uint8).reshape(16, 16, 1).repeat(3, axis=2)
    pixels = image.astype(np.float32) / np.float32(255)
    assert_array_equal(degrade(pixels, [], rng(0)), pixels)


def test_values_are_clipped_at_the_end_only():
    image = flat_image(0.0, 64)
    chain = [GaussianNoise(sigma=0.3), GaussianBlur(sigma=8)]
    # Blurred zero-mean noise is almost black; clipped before, its mean would be 0.3 / sqrt(2 pi) = 0.12.
    assert degrade(image, chain, rng(0)).mean() < 0.02


def test_operators_draw_independently():
    image = noise_image(16, 16)
    noise = GaussianNoise(sigma=0.1)
    first = degrade(image, [GaussianNoise(sigma=0), noise], rng(5))
    # The range costs a draw more.
    assert_array_equal(first, degrade(image, [GaussianNoise(sigma=(0, 0)), noise], rng(5)))
    assert not np.array_equal(first, degrade(image, [GaussianNoise(sigma=0), noise], rng(6)))


def test_total_scale_multiplies():
    assert total_scale([Downsample(scale=2), GaussianNoise(sigma=0.1), Downsample(scale=4)]) == 8
    assert total_scale([]) == 1


def test_operators_read_as_configuration():
    chain = OPERATORS.validate_python(
        [{"op": "motion_blur", "kernel_size": 15}, {"op": "gaussian_noise", "sigma": [0.1, 0.2]}]
    )
    assert chain == [MotionBlur(kernel_size=15), GaussianNoise(sigma=(0.1, 0.2))]


@pytest.mark.parametrize(
    "wrong",
    [
        {"op": "motion_blur", "kernel_size": 14},
        {"op": "gaussian_noise", "sigma": 25},
        {"op": "gaussian_noise", "sigma": [0.2, 0.1]},
        {"op": "gaussian_noise", "sigma": 0.1, "k": 3},
        {"op": "poisson_noise", "k": 0},
        {"op": "jpeg", "quality": 101},
        {"op": "downsample", "scale": 0},
        {"op": "gaussian_blur", "sigma": float("nan")},
        {"op": "sharpen"},
    ],
)
def test_wrong_configuration_is_refused(wrong):
    with pytest.raises(ValidationError):
        OPERATORS.validate_python([wrong])


def test_configuration_imports_nothing_heavy():
    imports = "import sys, bench.degradations, bench.data.config"
    code = imports + "; print({'torch', 'scipy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
