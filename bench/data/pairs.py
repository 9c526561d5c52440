"""Degraded images beside their ground truth, and the batches a training run sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal
from zlib import crc32

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bench.data.sources import Source
from bench.degradations import Operator, degrade, total_scale
from bench.errors import DataError
from bench.team import Team
from ugpnet.recipe import Batch, View
from ugpnet.settings import Flip

Pixels = NDArray[np.float32]


class Pairs:
    """(lq, gt) by index. lq is gt degraded by `operators`, or the source's own where it has one.

    A degradation is a pure function of (`seed`, the image's id, `visit`): evaluation always makes visit 0,
    training another one in every epoch. It so does not depend on which other images there are, nor on order
    or process. Raises DataError if operators are given for a source that has degraded images of its own.
    """

    def __init__(self, source: Source, operators: Sequence[Operator], seed: int) -> None:
        self._source = source
        self._operators = tuple(operators)
        self._seed = seed
        own = source.degraded(0)
        if own is not None and self._operators:
            raise DataError("a paired source brings its own degraded images; leave `degradation` empty")
        self.scale = total_scale(operators) if own is None else source.image(0).shape[0] // own.shape[0]

    def __len__(self) -> int:
        return len(self._source.ids)

    @property
    def ids(self) -> Sequence[str]:
        """The images' unique names."""
        return self._source.ids

    def pair(self, index: int, visit: int = 0) -> tuple[Tensor, Tensor]:
        """lq (3, h, w) and gt (3, H, W), H = h * scale; float32 in [0, 1], RGB, contiguous.

        Raises DataError, with the image's id, if the sizes do not fit the scale.
        """
        lq, gt = self.pixels(index, visit)
        return _to_tensor(lq), _to_tensor(gt)

    def pixels(self, index: int, visit: int = 0) -> tuple[Pixels, Pixels]:
        """The same as arrays with the channels last."""
        gt = _to_float(self._source.image(index, visit))
        own = self._source.degraded(index)
        name, (height, width) = self.ids[index], gt.shape[:2]
        if height % self.scale or width % self.scale:
            raise DataError(f"{name}: {width} x {height} pixels are no multiple of the scale {self.scale}; set `size`")
        lq = _to_float(own) if own is not None else degrade(gt, self._operators, self._rng(name, visit))
        if gt.shape[:2] != (lq.shape[0] * self.scale, lq.shape[1] * self.scale):
            raise DataError(f"{name}: lq is {lq.shape[1]} x {lq.shape[0]}, gt {width} x {height}: not at {self.scale}x")
        return lq, gt

    def _rng(self, name: str, visit: int) -> np.random.Generator:
        seeds = np.random.SeedSequence([self._seed, crc32(name.encode()), visit])
        return np.random.Generator(np.random.PCG64(seeds))


class TrainingBatches:
    """Batch t as a pure function of (`seed`, t), in any process and any order.

    The images of an epoch are a permutation drawn from (seed, epoch); a batch may begin in one epoch and end
    in the next. `patch` crops a random square of that many gt pixels and the same place of lq. Each of
    `flips` is made with probability 1/2, equally on lq and gt; True stands for the horizontal flip alone, as
    face recipes have it. `torch.utils.data.DataLoader(batches, batch_size=None, sampler=range(first, last))`
    makes them in worker processes.

    Of each batch a process of a `team` makes its places alone; put together, they are the same batch, whatever the team's size.
    Only the batch's generator, for what recipes draw themselves, is another in each.
    """

    def __init__(
        self,
        pairs: Pairs,
        seed: int,
        batch_size: int,
        patch: int | None = None,
        flips: bool | Sequence[Flip] = False,
        team: Team = Team(),
    ) -> None:
        if patch is not None and patch % pairs.scale:
            raise DataError(f"a training patch of {patch} pixels is no multiple of the scale {pairs.scale}")
        self._pairs = pairs
        self._seed = seed
        self._batch_size = batch_size
        self._patch = patch
        self._team = team
        self._flips = (("horizontal",) if flips else ()) if isinstance(flips, bool) else tuple(flips)

    def batch(self, step: int) -> Batch:
        """lq (B, 3, h, w) and gt (B, 3, H, W); float32 in [0, 1]. DataError if sizes differ."""
        visits = self._visits(step)
        made = [self._augment(*self._pairs.pixels(index, visit), index, draw) for index, visit, draw in visits]
        for (_, gt, _), (index, _, _) in zip(made, visits, strict=True):
            if gt.shape != made[0][1].shape:
                raise DataError(
                    f"{self._pairs.ids[index]}: {gt.shape[1]} x {gt.shape[0]} pixels in a batch with one of "
                    f"{made[0][1].shape[1]} x {made[0][1].shape[0]}; set `size` or a training patch"
                )
        lqs, gts, views = zip(*made, strict=True)
        return Batch(_to_batch(lqs), _to_batch(gts), self._generator(step), views)

    def __getitem__(self, step: int) -> Batch:
        return self.batch(step)

    def _visits(self, step: int) -> list[tuple[int, int, int]]:
        """(image, visit, draw) of each of our places in the batch; visits count from 1, since 0 is evaluation's, and draws are
        numbered through all batches.
        """
        draws = [step * self._batch_size + place for place in self._team.places(self._batch_size)]
        places = [divmod(draw, len(self._pairs)) for draw in draws]
        orders = {epoch: self._order(epoch) for epoch in {epoch for epoch, _ in places}}
        return [
            (int(orders[epoch][place]), epoch + 1, draw) for draw, (epoch, place) in zip(draws, places, strict=True)
        ]

    def _order(self, epoch: int) -> NDArray[np.int64]:
        return np.random.Generator(np.random.PCG64(self._seeds("order", epoch))).permutation(len(self._pairs))

    def _augment(self, lq: Pixels, gt: Pixels, index: int, draw: int) -> tuple[Pixels, Pixels, View]:
        rng = np.random.Generator(np.random.PCG64(self._seeds("augment", draw)))
        if self._patch is not None:
            lq, gt = self._crop(lq, gt, self._patch, index, rng)
        flips = tuple(flip for flip in self._flips if rng.random() < 0.5)
        for flip in flips:
            lq, gt = _flipped(lq, flip), _flipped(gt, flip)
        return lq, gt, View(self._pairs.ids[index], flips)

    def _crop(self, lq: Pixels, gt: Pixels, patch: int, index: int, rng: np.random.Generator) -> tuple[Pixels, Pixels]:
        if min(gt.shape[:2]) < patch:
            name, (height, width) = self._pairs.ids[index], gt.shape[:2]
            raise DataError(f"{name}: {width} x {height} pixels, smaller than the training patch of {patch}")
        scale = self._pairs.scale
        small = patch // scale
        top, left = (int(rng.integers(side - small + 1)) for side in lq.shape[:2])
        lq = lq[top : top + small, left : left + small]
        return lq, gt[top * scale : top * scale + patch, left * scale : left * scale + patch]

    def _generator(self, step: int) -> torch.Generator:
        apart = (self._team.rank,) if self._team.rank else ()
        state = self._seeds("recipe", step, *apart).generate_state(1, np.uint64)
        return torch.Generator().manual_seed(int(state[0]))

    def _seeds(self, use: Literal["order", "augment", "recipe"], *numbers: int) -> np.random.SeedSequence:
        return np.random.SeedSequence([self._seed, crc32(use.encode()), *numbers])


def _flipped(image: Pixels, flip: Flip) -> Pixels:
    if flip == "horizontal":
        return image[:, ::-1]
    return image[::-1] if flip == "vertical" else image.swapaxes(0, 1)


def _to_float(image: NDArray[np.uint8]) -> Pixels:
    return image.astype(np.float32) / np.float32(255)


def _to_batch(images: Sequence[Pixels]) -> Tensor:
    batch = np.empty((len(images), 3, *images[0].shape[:2]), np.float32)
    for place, image in zip(batch, images, strict=True):
        place[:] = image.transpose(2, 0, 1)
    return torch.from_numpy(batch)


def _to_tensor(image: Pixels) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
