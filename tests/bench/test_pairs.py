"""Pairs and batches as pure functions of seeds, whatever the order and the process."""

import pickle
from contextlib import closing

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from bench.data.pairs import Pairs, TrainingBatches
from bench.degradations import Downsample, GaussianNoise, MotionBlur
from bench.errors import DataError
from bench.train.batches import stream

NOISE = (GaussianNoise(sigma=0.2),)


class ArraySource:
    """Random images by name, or constant ones that hold their index; optionally with lq of their own."""

    skipped = ()

    def __init__(self, ids, side=16, width=None, lq_side=None):
        self.ids = tuple(ids)
        self.shape, self.lq_side = (side, width or side, 3), lq_side

    def image(self, index, visit=0):
        return np.random.default_rng(index).integers(0, 256, self.shape, dtype=np.uint8)

    def degraded(self, index):
        return None if self.lq_side is None else self.image(index)[: self.lq_side, : self.lq_side]

    def fingerprint(self):
        return "array"


class MixedSource(ArraySource):
    def image(self, index, visit=0):
        side = 16 + 8 * index
        return np.zeros((side, side, 3), np.uint8)


class UpscaledSource(ArraySource):
    """gt repeats each pixel of lq `scale` times, so that crops and flips can be compared."""

    def __init__(self, ids, side, scale):
        super().__init__(ids, side)
        self.scale = scale

    def image(self, index, visit=0):
        return self.degraded(index).repeat(self.scale, axis=0).repeat(self.scale, axis=1)

    def degraded(self, index):
        return np.random.default_rng(index).integers(0, 256, self.shape, dtype=np.uint8)


def names(count):
    return [f"{i}.png" for i in range(count)]


def batches(count=7, batch_size=3, seed=777, **options):
    return TrainingBatches(Pairs(ArraySource(names(count)), NOISE, 0), seed, batch_size, **options)


def equal(one, other):
    return (
        torch.equal(one.lq, other.lq)
        and torch.equal(one.gt, other.gt)
        and torch.equal(one.generator.get_state(), other.generator.get_state())
    )


# Pairs


def test_a_pair_is_a_contiguous_float_tensor():
    pairs = Pairs(ArraySource(names(2), 16, 24), [MotionBlur(kernel_size=9, bank=3), Downsample(scale=4)], 0)
    lq, gt = pairs.pair(1)
    assert (len(pairs), pairs.scale, list(pairs.ids)) == (2, 4, ["0.png", "1.png"])
    assert (lq.shape, gt.shape) == ((3, 4, 6), (3, 16, 24))
    for image in (lq, gt):
        assert image.dtype == torch.float32
        assert image.is_contiguous()
        assert 0 <= image.min() <= image.max() <= 1
    assert torch.equal((gt * 255).round().byte(), torch.from_numpy(pairs._source.image(1)).permute(2, 0, 1))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32), st.permutations(range(5)), st.integers(0, 3))
def test_a_degradation_depends_on_seed_id_and_visit_only(seed, order, visit):
    pairs = Pairs(ArraySource(names(5)), NOISE, seed)
    expected = [Pairs(ArraySource(names(5)), NOISE, seed).pair(i, visit)[0] for i in range(5)]
    for index in order:
        assert torch.equal(pairs.pair(index, visit)[0], expected[index])


def test_a_degradation_belongs_to_the_id_not_the_index():
    class Flat(ArraySource):
        def image(self, index, visit=0):
            return np.full(self.shape, 128, np.uint8)

    one, other = Pairs(Flat(["a", "b"]), NOISE, 0), Pairs(Flat(["x", "y", "b"]), NOISE, 0)
    assert torch.equal(one.pair(1)[0], other.pair(2)[0])
    assert not torch.equal(one.pair(0)[0], one.pair(1)[0])
    assert not torch.equal(one.pair(0)[0], one.pair(0, visit=1)[0])
    assert not torch.equal(one.pair(0)[0], Pairs(Flat(["a", "b"]), NOISE, 1).pair(0)[0])


def test_a_paired_source_brings_its_own_lq():
    pairs = Pairs(UpscaledSource(names(2), 8, 2), (), 0)
    lq, gt = pairs.pair(0)
    assert pairs.scale == 2
    assert torch.equal(lq.repeat_interleave(2, 1).repeat_interleave(2, 2), gt)
    with pytest.raises(DataError, match="leave `degradation` empty"):
        Pairs(UpscaledSource(names(2), 8, 2), NOISE, 0)


def test_sizes_that_do_not_fit_the_scale_are_named():
    with pytest.raises(DataError, match=r"0\.png: 18 x 18 pixels are no multiple of the scale 8"):
        Pairs(ArraySource(names(1), 18), [Downsample(scale=8)], 0).pair(0)
    with pytest.raises(DataError, match=r"0\.png: lq is 15 x 15, gt 16 x 16"):
        Pairs(ArraySource(names(1), 16, lq_side=15), (), 0).pair(0)


# Batches


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**40), st.lists(st.integers(0, 50), min_size=1, max_size=6))
def test_a_batch_depends_on_seed_and_step_only(seed, steps):
    one = batches(seed=seed, patch=8, flips=("horizontal", "vertical", "transpose"))
    for step in steps:
        fresh = batches(seed=seed, patch=8, flips=("horizontal", "vertical", "transpose"))
        assert equal(one.batch(step), fresh.batch(step))


def test_batches_differ_by_seed_and_step():
    assert not equal(batches(seed=1).batch(0), batches(seed=2).batch(0))
    first, second = batches().batch(0), batches().batch(1)
    assert not torch.equal(first.generator.get_state(), second.generator.get_state())
    assert first.lq.shape == first.gt.shape == (3, 3, 16, 16)
    assert first.lq.is_contiguous()


@pytest.mark.parametrize(("count", "batch_size"), [(7, 3), (4, 4), (2, 5)])
def test_every_epoch_shows_every_image_once(count, batch_size):
    made = batches(count, batch_size)
    visits = [visit for step in range(4 * count) for visit in made._visits(step)]
    for epoch in range(batch_size):
        part = visits[epoch * count : (epoch + 1) * count]
        assert sorted(index for index, _, _ in part) == list(range(count))
        assert {visit for _, visit, _ in part} == {epoch + 1}


def test_epochs_are_shuffled_and_degraded_anew():
    made = batches(50, 50)
    assert made._visits(0) != [(index, 1, draw) for index, _, draw in made._visits(1)]
    place = {index: place for place, (index, _, _) in enumerate(made._visits(1))}
    index = made._visits(0)[0][0]
    first, second = made.batch(0), made.batch(1)
    assert torch.equal(first.gt[0], second.gt[place[index]])
    assert not torch.equal(first.lq[0], second.lq[place[index]])


@pytest.mark.parametrize("flips", [False, True, ("horizontal", "vertical", "transpose")])
def test_lq_and_gt_are_cropped_and_flipped_alike(flips):
    made = TrainingBatches(Pairs(UpscaledSource(names(5), 12, 4), (), 0), 3, 8, patch=16, flips=flips)
    batch = made.batch(2)
    assert batch.lq.shape == (8, 3, 4, 4)
    assert torch.equal(batch.lq.repeat_interleave(4, 2).repeat_interleave(4, 3), batch.gt)


def test_all_flips_occur():
    source = ArraySource(names(1), 4)
    made = TrainingBatches(Pairs(source, (), 0), 0, 64, flips=("horizontal", "vertical", "transpose"))
    assert len({image.numpy().tobytes() for image in made.batch(0).gt}) == 8
    only = TrainingBatches(Pairs(source, (), 0), 0, 64, flips=True)
    gt = torch.from_numpy(source.image(0)).permute(2, 0, 1) / 255
    assert {image.numpy().tobytes() for image in only.batch(0).gt} == {
        gt.contiguous().numpy().tobytes(),
        gt.flip(2).contiguous().numpy().tobytes(),
    }


def test_views_say_what_each_place_shows():
    source = ArraySource(names(4), 6)
    made = TrainingBatches(Pairs(source, (), 0), 0, 16, flips=("horizontal", "vertical", "transpose")).batch(0)
    for image, view in zip(made.gt, made.views, strict=True):
        for flip in reversed(view.flips):
            image = image.mT if flip == "transpose" else image.flip(2 if flip == "horizontal" else 1)
        shown = source.image(names(4).index(view.image))
        assert torch.equal(image, torch.from_numpy(shown).permute(2, 0, 1) / 255)
    assert len({view.flips for view in made.views}) > 2


@pytest.mark.parametrize("workers", [0, 2])
def test_views_reach_the_training_loop(workers):
    made = batches(flips=True)
    with closing(stream(made, range(1, 3), workers, torch.device("cpu"))) as arriving:
        assert {step: batch.views for step, batch in arriving} == {step: made.batch(step).views for step in (1, 2)}


def test_patches_reach_every_corner():
    made = TrainingBatches(Pairs(ArraySource(names(1), 5), (), 0), 0, 200, patch=4)
    gt = torch.from_numpy(ArraySource(names(1), 5).image(0)).permute(2, 0, 1) / 255
    places = {(y, x) for crop in made.batch(0).gt for y in (0, 1) for x in (0, 1)
              if torch.equal(crop, gt[:, y : y + 4, x : x + 4])}  # fmt: skip
    assert len(places) == 4


def test_impossible_batches_are_explained():
    with pytest.raises(DataError, match=r"1\.png: 24 x 24 pixels|0\.png: 16 x 16 pixels"):
        TrainingBatches(Pairs(MixedSource(names(2)), (), 0), 0, 2).batch(0)
    assert TrainingBatches(Pairs(MixedSource(names(2)), (), 0), 0, 2, patch=16).batch(0).gt.shape == (
        2,
        3,
        16,
        16,
    )
    with pytest.raises(DataError, match=r"0\.png: 16 x 16 pixels, smaller than the training patch of 32"):
        TrainingBatches(Pairs(ArraySource(names(1)), (), 0), 0, 1, patch=32).batch(0)
    with pytest.raises(DataError, match="patch of 10 pixels is no multiple of the scale 4"):
        TrainingBatches(Pairs(ArraySource(names(1)), [Downsample(scale=4)], 0), 0, 1, patch=10)


def test_batches_survive_pickling():
    assert equal(pickle.loads(pickle.dumps(batches(flips=True))).batch(5), batches(flips=True).batch(5))


@pytest.mark.parametrize("workers", [1, 2])
def test_worker_processes_make_the_same_batches(workers):
    made = batches(patch=8, flips=True)
    loader = DataLoader(made, batch_size=None, sampler=range(2, 7), num_workers=workers)
    for step, batch in zip(range(2, 7), loader, strict=True):
        assert equal(batch, made.batch(step))
