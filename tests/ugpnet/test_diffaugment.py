"""DiffAugment: each transform against a plain loop over images, what is drawn, and gradients of both orders."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from torch import Tensor

from ugpnet.diffaugment import Augmentation, adjust_color, cut_out, diff_augment, translate

ALL: tuple[Augmentation, ...] = get_args(Augmentation)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def draw(count: int = 5, height: int = 8, width: int = 12) -> Tensor:
    return torch.rand(count, 3, height, width, generator=seeded(9)) * 2 - 1


# ---- each transform, image by image ----


def test_color_is_brightness_then_saturation_then_contrast() -> None:
    images, (brightness, saturation, contrast) = draw(), torch.rand(3, 5, generator=seeded())
    found = adjust_color(images, *(each.view(-1, 1, 1, 1) for each in (brightness, saturation, contrast)))
    for index, image in enumerate(images.numpy()):
        bright = image + brightness[index].item()
        grey = bright.mean(axis=0)
        saturated = np.stack([grey + saturation[index].item() * (channel - grey) for channel in bright])
        expected = saturated.mean() + contrast[index].item() * (saturated - saturated.mean())
        np.testing.assert_allclose(found[index].numpy(), expected, atol=2e-6)


def test_translation_moves_each_image_and_fills_with_zeros() -> None:
    images, down, right = draw(), torch.tensor([0, 2, -3, 1, -8]), torch.tensor([0, -5, 4, 11, 0])
    found = translate(images, down, right)
    for index, image in enumerate(images):
        expected = torch.zeros_like(image)
        for row in range(8):
            for column in range(12):
                y, x = row - int(down[index]), column - int(right[index])
                if 0 <= y < 8 and 0 <= x < 12:
                    expected[:, row, column] = image[:, y, x]
        assert torch.equal(found[index], expected)


def test_cutout_is_a_rectangle_of_zeros_that_may_hang_over_the_edge() -> None:
    images, top, left = draw(), torch.tensor([0, 2, -2, 6, -3]), torch.tensor([0, 5, -1, 9, 13])
    found = cut_out(images, top, left, 3, 4)
    for index, image in enumerate(images.clone()):
        rows, columns = (
            [place for place in range(size) if start <= place < start + side]
            for size, start, side in ((8, int(top[index]), 3), (12, int(left[index]), 4))
        )
        for row in rows:
            for column in columns:
                image[:, row, column] = 0
        assert torch.equal(found[index], image)


def test_zero_strength_changes_nothing() -> None:
    images = draw()
    zero, one = torch.zeros(5, 1, 1, 1), torch.ones(5, 1, 1, 1)
    still = torch.zeros(5, dtype=torch.long)
    assert torch.equal(adjust_color(images, zero, one, one), images)
    assert torch.equal(translate(images, still, still), images)
    assert torch.equal(cut_out(images, still, still, 0, 4), images)


# ---- what is drawn ----

MANY = 4000


def test_drawn_colors_fill_the_paper_s_ranges() -> None:
    """A grey and a red pixel tell the three factors apart."""
    pair = torch.tensor([[0.2, 0.2, 0.2], [0.8, 0.1, 0.0]]).T.reshape(1, 3, 1, 2)
    found = diff_augment(pair.expand(MANY, -1, -1, -1), ("color",), seeded())
    brightness = (found - pair).mean((1, 2, 3))
    grey = found.mean(1)[:, 0]
    contrast = (grey[:, 1] - grey[:, 0]) / (0.3 - 0.2)
    saturation = (found[:, 0, 0, 1] - found[:, 2, 0, 1]) / 0.8 / contrast
    for drawn, low, high in ((brightness, -0.5, 0.5), (contrast, 0.5, 1.5), (saturation, 0, 2)):
        width = high - low
        assert low - 1e-4 <= drawn.min() < low + width / 100
        assert high - width / 100 < drawn.max() <= high + 1e-4
        assert drawn.mean().item() == pytest.approx((low + high) / 2, abs=width / 40)
        assert drawn.std().item() == pytest.approx(width / 12**0.5, rel=0.05)
    assert torch.corrcoef(torch.stack([brightness, contrast, saturation])).triu(1).abs().max() < 0.06


def test_drawn_translations_are_all_shifts_of_up_to_an_eighth() -> None:
    points = torch.zeros(MANY, 3, 16, 24)
    points[:, :, 8, 10] = 1
    _, rows, columns = diff_augment(points, ("translation",), seeded())[:, 0].nonzero(as_tuple=True)
    assert len(rows) == MANY
    counts = torch.bincount((rows - 6) * 7 + columns - 7, minlength=35)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (6, 10, 7, 13)
    assert counts.min() > MANY / 35 / 2


@pytest.mark.parametrize(("size", "starts"), [(16, range(-4, 13)), (6, range(-1, 5))])
def test_drawn_holes_have_half_the_sides_and_their_middle_anywhere(size: int, starts: range) -> None:
    holes = diff_augment(torch.ones(MANY, 3, size, size), ("cutout",), seeded()) == 0
    for dim in (2, 3):
        lines = holes.any(1).any(5 - dim - 1)
        expected = {tuple(start <= place < start + size // 2 for place in range(size)): start for start in starts}
        counts = torch.bincount(torch.tensor([expected[tuple(line)] - starts[0] for line in lines.tolist()]))
        assert len(counts) == len(starts)
        assert counts.min() > MANY / len(starts) / 2
    rows, columns = holes.any(1).any(2), holes.any(1).any(1)
    assert torch.equal(holes[:, 0], rows[:, :, None] & columns[:, None])


def test_without_transforms_nothing_is_drawn() -> None:
    images, generator = draw(), seeded()
    before = generator.get_state()
    assert diff_augment(images, (), generator) is images
    assert torch.equal(generator.get_state(), before)


@pytest.mark.parametrize("augment", [*((name,) for name in ALL), ALL])
def test_the_generator_decides_alone_and_for_each_image(augment: tuple[Augmentation, ...]) -> None:
    images = draw(1, 16, 16).expand(12, -1, -1, -1)
    with torch.random.fork_rng():
        torch.manual_seed(1)
        found = diff_augment(images, augment, seeded())
        torch.manual_seed(2)
        assert torch.equal(diff_augment(images, augment, seeded()), found)
    assert len({image.numpy().tobytes() for image in found}) > 6
    assert not torch.equal(diff_augment(images, augment, seeded(1)), found)
    others = torch.cat([images[:1], draw(11, 16, 16)])
    assert torch.equal(diff_augment(others, augment, seeded())[0], found[0])
    assert diff_augment(images.bfloat16(), augment, seeded()).dtype == torch.bfloat16


def test_transforms_come_in_the_order_given() -> None:
    images = draw(64, 16, 16)
    outside = [
        (diff_augment(images, augment, seeded()) == 0).all(1).flatten(1).any(1).all()
        for augment in (("color", "cutout"), ("cutout", "color"))
    ]
    assert outside == [True, False]  # what is brightened after the cut is no longer zero


# ---- gradients ----


@pytest.mark.parametrize("augment", [*((name,) for name in ALL), ALL])
def test_gradients_of_both_orders(augment: tuple[Augmentation, ...]) -> None:
    images = draw(2, 8, 8).double().requires_grad_()

    def augmented(images: Tensor) -> Tensor:
        return diff_augment(images, augment, seeded()).pow(3)

    assert torch.autograd.gradcheck(augmented, (images,), fast_mode=True)
    assert torch.autograd.gradgradcheck(augmented, (images,), fast_mode=True)
