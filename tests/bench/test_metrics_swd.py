"""SWD against a version written with plain loops, and its properties as a distance between sets of images."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data

from bench.errors import DataError
from bench.metrics import swd
from bench.metrics.base import Image, SetMetric
from bench.metrics.pyramid import laplacian_pyramid
from bench.metrics.swd import Swd

Array = NDArray[np.float64]


def noise_images(n: int, height: int = 32, width: int = 32, seed: int = 0) -> list[Image]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (height, width, 3), dtype=np.uint8) for _ in range(n)]


def photo_crops(n: int, size: int = 64) -> list[Image]:
    astronaut: Any = data.astronaut
    photo, rng = astronaut(), np.random.default_rng(5)
    corners = rng.integers(0, 512 - size, (n, 2))
    return [np.ascontiguousarray(photo[y : y + size, x : x + size]) for y, x in corners]


def blurred(image: Image, sigma: float) -> Image:
    smooth: Array = ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0))
    return np.clip(np.round(smooth), 0, 255).astype(np.uint8)


def naive_smooth(plane: Array) -> Array:
    taps = np.outer([1, 4, 6, 4, 1], [1, 4, 6, 4, 1]) / 256
    padded = np.pad(plane, 2, mode="reflect")
    out = np.zeros_like(plane)
    for y in range(plane.shape[0]):
        for x in range(plane.shape[1]):
            out[y, x] = np.sum(padded[y : y + 5, x : x + 5] * taps)
    return out


def naive_pyramid(plane: Array) -> list[Array]:
    levels = []
    while min(plane.shape) // 2 >= 16:
        half = naive_smooth(plane)[::2, ::2]
        sparse = np.zeros_like(plane)
        sparse[::2, ::2] = half
        levels.append(plane - 4 * naive_smooth(sparse))
        plane = half
    return [*levels, plane]


def naive_points(images: list[Image], gt: list[Image], level: int) -> Array:
    """Normalised patches of one level, (n, 147), from the random numbers that the protocol prescribes."""
    patches = []
    for image, reference in zip(images, gt, strict=True):
        planes = [naive_pyramid(image[..., c].astype(np.float64))[level] for c in range(3)]
        rng = np.random.default_rng([0, level, zlib.crc32(reference.tobytes())])
        rows = rng.integers(0, planes[0].shape[0] - 6, 128)
        columns = rng.integers(0, planes[0].shape[1] - 6, 128)
        patches += [[plane[y : y + 7, x : x + 7] for plane in planes] for y, x in zip(rows, columns, strict=True)]
    points = np.array(patches)
    for channel in range(3):
        values = points[:, channel]
        points[:, channel] = (values - values.mean()) / values.std()
    return points.reshape(len(points), -1)


def naive_distance(x: Array, y: Array, level: int) -> float:
    vectors = np.random.default_rng([0, level]).standard_normal((512, 147)).astype(np.float32)
    gaps = []
    for vector in vectors.astype(np.float64):
        unit = vector / np.sqrt(np.sum(vector**2))
        gaps.append(np.mean(np.abs(np.sort(x @ unit) - np.sort(y @ unit))))
    return float(np.mean(gaps))


def test_swd_is_its_definition() -> None:
    gt = photo_crops(2, size=33)
    restored = [blurred(image, 1.0) for image in gt]
    levels = [naive_distance(naive_points(restored, gt, level), naive_points(gt, gt, level), level) for level in (0, 1)]
    assert Swd().by_level(restored, gt) == pytest.approx(levels, rel=1e-5, abs=1e-6)
    assert Swd().score(restored, gt) == pytest.approx(1e3 * float(np.mean(levels)), rel=1e-5)


@pytest.mark.parametrize(("height", "width", "sides"), [(64, 64, [64, 32, 16]), (33, 50, [33, 17]), (16, 99, [16])])
def test_pyramid_reaches_down_to_16_pixels_and_adds_up(height: int, width: int, sides: list[int]) -> None:
    image = noise_images(1, height, width)[0]
    levels = laplacian_pyramid(image, coarsest=16)
    assert [level.shape[0] for level in levels] == sides
    for channel in range(3):
        expected = naive_pyramid(image[..., channel].astype(np.float64))
        for level, plane in zip(levels, expected, strict=True):
            np.testing.assert_allclose(level[..., channel], plane, atol=1e-3)


def test_equal_sets_have_no_distance() -> None:
    images = noise_images(3)
    assert Swd().score(images, images) == 0


def test_order_does_not_matter() -> None:
    gt, restored = noise_images(6, seed=1), noise_images(6, seed=2)
    assert Swd().score(restored[::-1], gt[::-1]) == pytest.approx(Swd().score(restored, gt), rel=1e-5)


def test_symmetric_up_to_the_choice_of_patches() -> None:
    gt = photo_crops(24)
    restored = [blurred(image, 1.0) for image in gt]
    assert Swd().score(restored, gt) == pytest.approx(Swd().score(gt, restored), rel=0.05)


def test_more_blur_is_farther_and_noise_is_seen() -> None:
    gt = photo_crops(16)
    rng = np.random.default_rng(0)
    scores = [Swd().score([blurred(image, sigma) for image in gt], gt) for sigma in (0.5, 1, 2)]
    noisy = [np.clip(image + rng.normal(0, 15, image.shape), 0, 255).astype(np.uint8) for image in gt]
    assert 1 < scores[0] < scores[1] < scores[2]
    assert Swd().score(noisy, gt) > scores[0]


def test_detail_is_seen_at_the_finest_level() -> None:
    gt = photo_crops(16)
    finest, *_, coarsest = Swd().by_level([blurred(image, 1) for image in gt], gt)
    assert finest > 5 * coarsest


def test_seeds_are_reproducible_and_differ_little() -> None:
    gt = photo_crops(16)
    restored = [blurred(image, 1) for image in gt]
    first, again, other = (Swd(seed).score(iter(restored), iter(gt)) for seed in (0, 0, 1))
    assert first == again != other
    assert other == pytest.approx(first, rel=0.1)


def test_flat_images_are_scored() -> None:
    flat = [np.full((16, 16, 3), value, np.uint8) for value in (90, 90)]
    assert np.isfinite(Swd().score(flat, noise_images(2, 16, 16)))


def test_large_sets_take_fewer_patches_of_each_image(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [swd.patches_per_image(n) for n in (1, 1024, 1025, 3000, 70000)] == [128, 128, 64, 32, 1]
    gt = photo_crops(10, size=32)
    restored = [blurred(image, 1) for image in gt]
    full = Swd().by_level(restored, gt)
    monkeypatch.setattr(swd, "MAX_PATCHES", 400)
    assert Swd().protocol_for(10).endswith("/patches=32/N=10")
    counts: list[int] = []
    original = swd.sliced_wasserstein

    def counted(x: swd.Points, y: swd.Points, unit_vectors: swd.Points) -> float:
        counts.extend((len(x), len(y)))
        return original(x, y, unit_vectors)

    monkeypatch.setattr(swd, "sliced_wasserstein", counted)
    assert Swd().by_level(restored, gt) == pytest.approx(full, rel=0.4)
    assert counts == [320] * 4


def test_sets_that_do_not_fit_are_refused() -> None:
    images = noise_images(2)
    with pytest.raises(DataError, match="only 1 gt images"):
        Swd().score(images, images[:1])
    with pytest.raises(DataError, match="fewer restored than gt"):
        Swd().score(images[:1], images)
    with pytest.raises(DataError, match="or none"):
        Swd().score([], [])
    with pytest.raises(DataError, match=r"restored is 32x32 .* gt is 32x40"):
        Swd().score(images, noise_images(2, 32, 40))
    mixed = [images[0], noise_images(1, 32, 40)[0]]
    with pytest.raises(DataError, match="got 32x32 and, at index 1, 32x40"):
        Swd().score(mixed, mixed)
    with pytest.raises(DataError, match="16 or more pixels"):
        Swd().score(noise_images(1, 15, 40), noise_images(1, 15, 40))


def test_protocol_names_what_changes_the_number() -> None:
    assert isinstance(Swd(), SetMetric)
    assert Swd(3).protocol == "swd/laplacian>=16px/7x7-paired/512dirs/seed3/rgb/8bit/x1e3/v1"
