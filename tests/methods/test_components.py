"""Eyes and mouth: their boxes under flips and scales, their crops, and the style distance."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from methods.losses.components import ALIGNED, PARTS, FaceBoxes, component_style, crop_parts
from ugpnet.losses.perceptual import gram_matrix
from ugpnet.recipe import Batch, View

TABLE = {"00000007": torch.tensor([[100.0, 200.0, 20.0], [300.0, 210.0, 30.0], [220.0, 380.0, 50.0]])}


def draw(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def batch(side: int, *views: View) -> Batch:
    images = draw(max(len(views), 1), 3, side, side)
    return Batch(images, images, views=views)


def test_boxes_are_those_of_the_released_training() -> None:
    (corners,) = FaceBoxes(TABLE).corners(batch(512, View("00000007")))
    assert corners.tolist() == [[73, 173, 128, 228], [259, 169, 342, 252], [171, 331, 270, 430]]


def test_a_flip_mirrors_and_exchanges_the_eyes() -> None:
    (corners,) = FaceBoxes(TABLE).corners(batch(512, View("00000007", ("horizontal",))))
    assert corners.tolist() == [[171, 169, 254, 252], [385, 173, 440, 228], [243, 331, 342, 430]]
    assert TABLE["00000007"][0, 0] == 100


def test_boxes_follow_the_images_size() -> None:
    large, small = (FaceBoxes(TABLE).corners(batch(side, View("00000007"))) for side in (512, 64))
    torch.testing.assert_close(large / 8, small)


@pytest.mark.parametrize("name", ["00000007", "00007.png", "faces/00000007.jpg", "7.png"])
def test_images_are_found_by_name_stem_or_number(name: str) -> None:
    assert FaceBoxes(TABLE).corners(batch(512, View(name))).shape == (1, 3, 4)


def test_an_image_without_boxes_is_named() -> None:
    with pytest.raises(LookupError, match=r"no boxes for image 'b\.png'; add it, or set"):
        FaceBoxes(TABLE).corners(batch(512, View("b.png")))


def test_the_average_face_is_the_same_flipped() -> None:
    aligned = {"average": torch.tensor(ALIGNED)}
    plain, flipped = (FaceBoxes(aligned).corners(batch(512, View("average", flips))) for flips in ((), ("horizontal",)))
    assert torch.equal(plain, flipped)
    assert torch.equal(FaceBoxes().corners(batch(512)), plain)
    assert FaceBoxes().corners(batch(64, View("a"), View("b"))).shape == (2, 3, 4)


def test_crops_show_their_part_at_the_images_scale() -> None:
    images = torch.zeros(2, 3, 128, 128)
    corners = torch.tensor([[8.0, 8, 28, 28], [80, 16, 100, 36], [40, 80, 70, 110]]).expand(2, -1, -1)
    for index, (left, top, right, bottom) in enumerate(corners[0].int().tolist()):
        images[1, :, top:bottom, left:right] = index + 1
    crops = crop_parts(images, corners)
    assert {part: tuple(crop.shape) for part, crop in crops.items()} == {
        "left_eye": (2, 3, 20, 20), "right_eye": (2, 3, 20, 20), "mouth": (2, 3, 30, 30),
    }  # fmt: skip
    for index, part in enumerate(PARTS):
        assert crops[part][0].abs().max() == 0
        inside = crops[part][1, :, 1:-1, 1:-1]
        torch.testing.assert_close(inside, torch.full_like(inside, index + 1.0))


def test_gradients_reach_the_part_and_nothing_else() -> None:
    images = draw(1, 3, 64, 64).requires_grad_()
    corners = torch.tensor([[[8.0, 8, 18, 18], [40, 8, 50, 18], [24, 40, 38, 54]]])
    crop_parts(images, corners)["mouth"].square().sum().backward()
    touched = images.grad.abs().sum((0, 1)).nonzero()  # type: ignore[union-attr]
    assert touched.min(0).values.tolist() == [40, 24]
    assert touched.max(0).values.tolist() == [54, 38]


def test_component_style_by_hand() -> None:
    found, wanted = ([draw(2, 3, 4, 4, seed=s), draw(2, 5, 2, 2, seed=s + 1)] for s in (0, 2))
    middle, last = ((gram_matrix(a) - gram_matrix(b)).abs().mean() for a, b in zip(found, wanted, strict=True))
    torch.testing.assert_close(component_style(found, wanted), 0.5 * middle + last)
    assert component_style(found, found) == 0
