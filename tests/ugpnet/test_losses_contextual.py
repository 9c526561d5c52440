"""The contextual loss against its definition line by line, in one piece, in blocks and by tiles."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from bench.parity.oracle import make_input
from benchmarks.contextual import textbook_loss
from ugpnet.features import FeatureExtractor, RandomFeatures
from ugpnet.losses import PatchContextualLoss, contextual, contextual_loss
from ugpnet.losses.patch_contextual import split_tiles

GOLDENS: dict[str, Any] = json.loads((Path(__file__).parents[1] / "goldens" / "losses.json").read_text())


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def pair(kind: str) -> tuple[Tensor, Tensor]:
    """Independent features of different sizes, or nearly equal ones."""
    x = drawn(3, 6, 5, 4)
    return x, drawn(3, 6, 3, 7, seed=1) if kind == "independent" else x + 0.3 * drawn(3, 6, 5, 4, seed=1)


@pytest.mark.parametrize("kind", ["indep", "corr"])
def test_value_and_gradient_are_the_released_ones(kind: str) -> None:
    shape = (2, 64, 16, 24)
    x = make_input(shape, 0)
    y = make_input(shape, 1) if kind == "indep" else 0.6 * x.roll((3, 5), (2, 3)) + 0.4 * make_input(shape, 2)
    value = contextual_loss(x.requires_grad_(), y)
    name = f"contextual_{kind}_2x64x16x24"
    assert value.item() == pytest.approx(GOLDENS[f"{name}.value"], rel=1e-5)
    golden = GOLDENS[f"{name}.grad_x"]
    wanted = torch.tensor(golden["values"]).view(golden["shape"])
    gradient = torch.autograd.grad(value, x)[0][tuple(slice(None, None, step) for step in golden["stride"])]
    assert float((gradient - wanted).norm() / wanted.norm()) < 1e-5


@pytest.mark.parametrize("block", [1, 60, 180, 2**20])
@pytest.mark.parametrize("kind", ["independent", "near"])
def test_blocks_agree_with_the_definition(kind: str, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contextual, "_block_elements", lambda device: block)
    x, y = (features.requires_grad_() for features in pair(kind))
    ours, wanted = contextual_loss(x, y, 0.3), textbook_loss(x, y, 0.3)
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(torch.autograd.grad(3 * ours, (x, y)), torch.autograd.grad(3 * wanted, (x, y)))
    with torch.no_grad():
        torch.testing.assert_close(contextual_loss(x, y, 0.3), wanted.detach())


@pytest.mark.parametrize("wanted", [(True, False), (False, True), (True, True)])
def test_gradient_is_the_numerical_one(wanted: tuple[bool, bool]) -> None:
    x, y = (features[:, :, :2, :2].clone() for features in pair("near"))
    x.requires_grad_(wanted[0])
    y.requires_grad_(wanted[1])
    assert torch.autograd.gradcheck(contextual_loss, (x, y))


def test_a_second_derivative_is_refused() -> None:
    x, y = pair("near")
    (gradient,) = torch.autograd.grad(contextual_loss(x.requires_grad_(), y), x, create_graph=True)
    with pytest.raises(RuntimeError, match="once_differentiable"):
        gradient.sum().backward()


def test_autocast_and_half_precision_compute_in_float32() -> None:
    x, y = (features.float() for features in pair("near"))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        torch.testing.assert_close(contextual_loss(x, y), contextual_loss(x.float(), y.float()))
    assert contextual_loss(x.bfloat16(), y.bfloat16()).dtype == torch.float32


def features() -> FeatureExtractor:
    return RandomFeatures(0, channels=(4, 6, 8), layers=("level2",)).double()


def tiled_textbook_loss(extractor: FeatureExtractor, x: Tensor, y: Tensor, patch: int) -> Tensor:
    tiles = [torch.cat([tile for rows in images.split(patch, 2) for tile in rows.split(patch, 3)]) for images in (x, y)]
    return textbook_loss(*(extractor(images)["level2"] for images in tiles))


def test_tiles_agree_with_the_definition() -> None:
    extractor = features()
    x, y = (drawn(2, 3, 32, 48, seed=seed).sigmoid() for seed in (0, 1))
    x.requires_grad_()
    ours = PatchContextualLoss(extractor, patch=16)(x, y)
    wanted = tiled_textbook_loss(extractor, x, y, 16)
    torch.testing.assert_close(ours, wanted)
    torch.testing.assert_close(torch.autograd.grad(2 * ours, x), torch.autograd.grad(2 * wanted, x))
    with torch.no_grad():
        torch.testing.assert_close(PatchContextualLoss(extractor, patch=16)(x, y), wanted.detach())


def test_tiles_are_in_order_row_column_batch() -> None:
    images = torch.arange(2 * 4 * 6.0).view(2, 1, 4, 6)
    tiles = split_tiles(images, 2)
    assert tiles.shape == (12, 1, 2, 2)
    assert tiles[:3, 0, 0, 0].tolist() == [0.0, 24.0, 2.0]


def test_wrong_inputs_are_named() -> None:
    loss = PatchContextualLoss(features(), patch=32)
    image = torch.rand(1, 3, 32, 48, dtype=torch.float64)
    with pytest.raises(ValueError, match="32x48 images do not divide into tiles of 32"):
        loss(image, image)
    with pytest.raises(ValueError, match="detach"):
        loss(image, image.clone().requires_grad_())
    with pytest.raises(ValueError, match="one layer, not level0, level1"):
        PatchContextualLoss(RandomFeatures(0, layers=("level0", "level1")))
