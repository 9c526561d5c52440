"""The procedural portraits: reproducible, the same person at every size, varied, and rich in fine detail."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from bench.data.portraits import VERSION
from bench.data.portraits.render import render
from bench.data.portraits.sheet import contact_sheet


def luminance(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    return np.asarray(image @ np.array([0.299, 0.587, 0.114]))


def halve(image: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = image.shape
    return np.asarray(image.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)))


def detail(image: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(image - gaussian_filter(image, 1.0))


@pytest.fixture(scope="module")
def people() -> NDArray[np.uint8]:
    return np.stack([render(5, index, 64) for index in range(24)])


@pytest.mark.parametrize("size", [16, 64, 96])
def test_shape_and_type(size: int) -> None:
    image = render(0, 3, size)
    assert image.shape == (size, size, 3)
    assert image.dtype == np.uint8


def test_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="size 8"):
        render(0, 0, 8)


def test_repeats_exactly_and_in_any_order(people: NDArray[np.uint8]) -> None:
    for index in (11, 2, 7):
        assert np.array_equal(render(5, index, 64), people[index])


def test_seed_and_index_are_not_interchangeable() -> None:
    images = [render(*key, 32) for key in ((1, 2), (2, 1), (1, 1), (2, 2), (0, 12), (0, 2**40))]
    assert len({hashlib.sha256(image.tobytes()).digest() for image in images}) == len(images)


def test_version_is_a_positive_int() -> None:
    assert isinstance(VERSION, int)
    assert VERSION >= 1


@pytest.mark.parametrize("index", range(6))
def test_same_portrait_at_every_size(index: int) -> None:
    small, medium, large = (luminance(render(2, index, size)) for size in (64, 128, 256))
    assert np.corrcoef(halve(large).ravel(), medium.ravel())[0, 1] > 0.97
    assert np.corrcoef(halve(medium).ravel(), small.ravel())[0, 1] > 0.97


def test_fine_detail_is_shared_between_sizes() -> None:
    shared = []
    for index in range(6):
        small, medium = luminance(render(2, index, 64)), luminance(render(2, index, 128))
        shared.append(np.corrcoef(detail(halve(medium)).ravel(), detail(small).ravel())[0, 1])
    assert np.mean(shared) > 0.75


def test_people_differ(people: NDArray[np.uint8]) -> None:
    pixels = people.reshape(len(people), -1).astype(float)
    distance = np.sqrt(((pixels[:, None] - pixels[None]) ** 2).mean(axis=2))
    assert distance[~np.eye(len(people), dtype=bool)].min() > 12.0
    skin = people[:, 34:38, 30:34].reshape(len(people), -1).mean(axis=1)
    assert skin.std() > 20.0


def test_detail_survives_at_64_pixels(people: NDArray[np.uint8]) -> None:
    """RMS, in grey levels, of what a blur of one pixel takes away."""
    energy = [float(np.sqrt((detail(luminance(image)) ** 2).mean())) for image in people]
    assert np.mean(energy) > 8.0
    assert min(energy) > 5.0


def test_larger_sizes_are_sharper_than_upscaled_small_ones() -> None:
    for index in range(3):
        medium = luminance(render(3, index, 128))
        upscaled = np.kron(halve(medium), np.ones((2, 2)))
        assert np.sqrt(((medium - upscaled) ** 2).mean()) > 3.0


def test_eyes_are_aligned(people: NDArray[np.uint8]) -> None:
    """Brows, lashes and irises make the eye band darker and livelier than the cheeks below it."""
    mean = luminance(people).mean(axis=0)
    eyes, cheeks = mean[27:31, 20:44], mean[33:38, 20:44]
    assert eyes.mean() < cheeks.mean()


def test_uses_the_full_range_without_clipping(people: NDArray[np.uint8]) -> None:
    assert people.min() < 12
    assert people.max() > 225
    assert (people == 255).mean() < 0.01


def test_contact_sheet_holds_the_portraits_in_order() -> None:
    sheet = contact_sheet(4, 32, rows=2, columns=3)
    assert sheet.shape == (64, 96, 3)
    assert np.array_equal(sheet[32:, 32:64], render(4, 4, 32))
