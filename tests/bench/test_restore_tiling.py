"""Tiles: they cover, they blend, and nobody sees where they met."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from bench.errors import BenchError, WeightsError
from bench.restore.image import LEAST, Geometry, restore_image
from bench.restore.restorer import Restorer
from bench.restore.tiling import Tiling, mirror_out, restore_tiled

CPU = torch.device("cpu")


def ignore(_done: int, _total: int) -> None: ...


def image(height: int, width: int) -> Tensor:
    return torch.rand(3, height, width, generator=torch.Generator().manual_seed(0))


class Network(nn.Module):
    """Any function as a network that remembers the sizes it was given."""

    def __init__(self, function: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        super().__init__()
        self.function = function
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, lq: Tensor) -> Tensor:
        self.sizes.append(tuple(lq.shape[-2:]))
        return self.function(lq)


def restorer(network: nn.Module, side: int | None = None, scale: int = 1, parts: tuple[str, ...] = ()) -> Restorer:
    return Restorer("mine", "", network, scale, side, parts)


@settings(deadline=None)
@given(length=st.integers(1, 500), side=st.integers(2, 64), data=st.data())
def test_tiles_cover_the_axis_and_overlap(length: int, side: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, side // 2))
    starts = Tiling(side, overlap).starts(length)
    assert starts[0] == 0
    assert max(starts) + side >= length
    assert len(starts) == 1 or starts[-1] + side == length
    assert all(0 < later - start <= side - overlap for start, later in zip(starts, starts[1:], strict=False))


@settings(max_examples=40, deadline=None)
@given(height=st.integers(1, 70), width=st.integers(1, 70), side=st.integers(4, 32), data=st.data())
def test_doing_nothing_in_tiles_is_doing_nothing(height: int, width: int, side: int, data: st.DataObject) -> None:
    tiling = Tiling(side, data.draw(st.integers(0, side // 2)))
    lq = image(height, width)[None]
    assert torch.allclose(restore_tiled(Network(), lq, 3, 1, tiling, ignore), lq, atol=1e-6)


@torch.no_grad()
@pytest.mark.parametrize("scale", [1, 2])
def test_a_network_that_looks_no_further_than_the_margin_gives_the_same_in_tiles(scale: int) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 3, 3, padding=1), nn.Upsample(scale_factor=scale)
    )
    lq = image(77, 130)[None]
    tiled = restore_tiled(
        network, lq, 3, scale, Tiling(32, 8), ignore
    )  # a quarter of 8: two pixels, what two layers see
    assert torch.allclose(tiled, network(lq), atol=1e-6)


def test_tiles_that_disagree_fade_into_each_other() -> None:
    values = iter(range(100))
    lq = torch.zeros(1, 3, 16, 90)
    tiled = restore_tiled(lambda x: torch.full_like(x, float(next(values))), lq, 3, 1, Tiling(32, 16), ignore)
    assert tiled.diff(dim=-1).abs().max() < 0.25
    assert tiled[0, 0, 0, 0] == 0
    assert tiled[0, 0, 0, -1] == next(values) - 1


def test_progress_counts_tiles() -> None:
    told: list[tuple[int, int]] = []
    restore_tiled(Network(), image(40, 40)[None], 3, 1, Tiling(32, 8), lambda *count: told.append(count))
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize(
    ("length", "indices"), [(1, [0, 0, 0, 0, 0]), (2, [0, 1, 0, 1, 0]), (3, [0, 1, 2, 1, 0]), (6, [0, 1, 2, 3, 4, 5])]
)
def test_images_are_mirrored_out(length: int, indices: list[int]) -> None:
    line = torch.arange(length).view(1, 1, 1, length)
    grown = mirror_out(line, 2, 5)
    assert grown[0, 0, 0].tolist() == indices
    assert grown.shape[-2] == 2


# ---- one image ----


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (16, 16), (15, 17), (47, 33), (20, 2000)])
@pytest.mark.parametrize("scale", [1, 2])
def test_a_network_of_one_size_takes_images_of_every_size(size: tuple[int, int], scale: int) -> None:
    network = Network(nn.Upsample(scale_factor=scale))
    lq = image(*size)
    [restored] = restore_image(restorer(network, 16, scale), lq, Geometry(), CPU, ignore)
    assert set(network.sizes) == {(16, 16)}
    assert torch.allclose(restored, nn.Upsample(scale_factor=scale)(lq[None])[0], atol=1e-6)


@pytest.mark.parametrize(
    ("size", "restored"), [((40, 80), (8, 16)), ((8, 4), (16, 8)), ((1, 300), (1, 16)), ((16, 16), (16, 16))]
)
def test_an_aligned_face_is_brought_to_the_size(size: tuple[int, int], restored: tuple[int, int]) -> None:
    network = Network()
    [image_] = restore_image(restorer(network, 16), image(*size), Geometry(fit="resize"), CPU, ignore)
    assert image_.shape[-2:] == restored
    assert network.sizes == [(16, 16)]


@pytest.mark.parametrize(("size", "given"), [((1, 1), (LEAST, LEAST)), ((45, 33), (45, 33)), ((5, 100), (LEAST, 100))])
def test_small_images_are_restored_whole(size: tuple[int, int], given: tuple[int, int]) -> None:
    network = Network()
    [restored] = restore_image(restorer(network), image(*size), Geometry(), CPU, ignore)
    assert network.sizes == [given]
    assert torch.equal(restored, image(*size))


@pytest.mark.parametrize("size", [(1100, 1200), (20, 20_000)])
def test_large_images_are_tiled(size: tuple[int, int]) -> None:
    network = Network()
    restore_image(restorer(network), image(*size), Geometry(), CPU, ignore)
    assert len(network.sizes) > 1
    assert all(max(given) <= 512 for given in network.sizes)


def test_where_memory_does_not_suffice_tiles_get_smaller() -> None:
    def greedy(x: Tensor) -> Tensor:
        if x.shape[-1] > 64:
            raise torch.OutOfMemoryError
        return x

    network, lq = Network(greedy), image(100, 300)
    [restored] = restore_image(restorer(network), lq, Geometry(), CPU, ignore)
    assert torch.allclose(restored, lq, atol=1e-6)
    with pytest.raises(torch.OutOfMemoryError):
        restore_image(restorer(Network(greedy), 128), lq, Geometry(), CPU, ignore)


def test_parts_are_images_of_their_own() -> None:
    network = Network(lambda x: torch.cat([x, x / 2, x / 4], dim=1))
    lq = image(20, 30)
    images = restore_image(restorer(network, 16, parts=("x_reg", "x_syn")), lq, Geometry(), CPU, ignore)
    assert all(torch.allclose(made, lq / factor, atol=1e-6) for made, factor in zip(images, (1, 2, 4), strict=True))


def test_values_that_are_not_finite_are_named() -> None:
    with pytest.raises(WeightsError, match="mine made values that are not finite"):
        restore_image(restorer(Network(lambda x: x / 0)), image(8, 8), Geometry(), CPU, ignore)


@pytest.mark.parametrize(("geometry", "side", "message"), [
    (Geometry(fit="resize"), None, "takes images of any size"),
    (Geometry(tile=64), 32, "takes 32 x 32 px only"),
    (Geometry(tile=8), None, "32 px at least"),
    (Geometry(overlap=17), 32, "half a tile, 16 px"),
    (Geometry(tile=64, overlap=33), None, "half a tile, 32 px"),
])  # fmt: skip
def test_impossible_wishes_are_named(geometry: Geometry, side: int | None, message: str) -> None:
    with pytest.raises(BenchError, match=message):
        geometry.check(restorer(Network(), side))
