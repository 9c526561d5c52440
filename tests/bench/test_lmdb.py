"""Databases as BasicSR writes them, alone and in pairs."""

import io
import os
import pickle
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import lmdb
import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from torch.utils.data import DataLoader

from bench.data.config import FolderData, LmdbData, PairedData
from bench.data.meta_info import read_meta_info
from bench.data.pairs import Pairs, TrainingBatches
from bench.data.sources import open_source
from bench.degradations import GaussianNoise, MotionBlur
from bench.errors import DataError

OPERATORS = (MotionBlur(kernel_size=5, bank=3), GaussianNoise(sigma=0.1))


def pixels(height=16, width=20, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(seed, **sides):
    buffer = io.BytesIO()
    Image.fromarray(pixels(seed=seed, **sides)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def database(path, images, listed=None):
    """`images` by key; the list has height, width, channels and compression behind the name."""
    with lmdb.open(str(path), map_size=1 << 30) as environment, environment.begin(write=True) as transaction:
        for key, content in images.items():
            transaction.put(key.encode("ascii"), content)
    lines = [f"{key}.png ({16},{20},3) 1\n" for key in (images if listed is None else listed)]
    (path / "meta_info.txt").write_text("".join(lines))
    return path


@pytest.fixture
def faces(tmp_path):
    """Twelve images in a database and in a folder, some in a sub-folder."""
    images = {f"{'b/' if seed % 3 else ''}{seed}": png(seed) for seed in range(12)}
    database(tmp_path / "faces.lmdb", images)
    for key, content in images.items():
        (tmp_path / "faces" / "b").mkdir(parents=True, exist_ok=True)
        (tmp_path / "faces" / f"{key}.png").write_bytes(content)
    return tmp_path


def opened(root, path="faces.lmdb", **fields):
    return open_source(LmdbData(path=path, **fields), root, root / "cache")


def test_images_are_those_of_the_folder(faces):
    source, folder = opened(faces), open_source(FolderData(path="faces"), faces)
    assert list(source.ids) == list(folder.ids)
    assert source.ids[:5] == ["0.png", "3.png", "6.png", "9.png", "b/1.png"]
    for index in range(12):
        assert_array_equal(source.image(index), folder.image(index))
        assert source.degraded(index) is None


@pytest.mark.parametrize("options", [{}, {"size": 12, "fit": "random_crop"}, {"size": 8}, {"start": 3, "count": 7}])
def test_batches_are_those_of_the_folder(faces, options):
    sources = opened(faces, **options), open_source(FolderData(path="faces", **options), faces)
    made, wanted = (TrainingBatches(Pairs(source, OPERATORS, 1), 2, 3, patch=8, flips=True) for source in sources)
    for step in (7, 0, 3):
        assert (made.batch(step).lq == wanted.batch(step).lq).all()
        assert (made.batch(step).gt == wanted.batch(step).gt).all()
    assert sources[0].fingerprint() != sources[1].fingerprint()


def test_the_list_of_an_lmdb_is_read(tmp_path):
    (tmp_path / "meta_info.txt").write_text("a.png (120,125,3) 1\nb/c d.png (480, 480) 9\n")
    assert read_meta_info(tmp_path / "meta_info.txt") == [("a.png", None), ("b/c d.png", None)]


def test_the_list_decides_what_is_used(tmp_path):
    database(tmp_path / "faces.lmdb", {"a.b": png(0), "c": png(1), "d": png(2)}, listed=["c", "a.b"])
    assert list(opened(tmp_path).ids) == ["a.b.png", "c.png"]
    database(tmp_path / "twice.lmdb", {"a": png(0)}, listed=["a", "a"])
    with pytest.raises(DataError, match=r"twice\.lmdb/meta_info\.txt: names occur more than once: a"):
        opened(tmp_path, "twice.lmdb")


def test_only_what_changed_is_looked_at_again(faces, monkeypatch):
    first = opened(faces).fingerprint()
    with monkeypatch.context() as patch:
        patch.setattr("bench.data.collection.check_image", lambda file: pytest.fail("looked at again"))
        assert opened(faces).fingerprint() == first
    shutil.rmtree(faces / "faces.lmdb")
    database(faces / "faces.lmdb", {str(seed): png(seed + 1) for seed in range(12)})
    source = opened(faces)
    assert_array_equal(source.image(0), pixels(seed=1))
    assert source.fingerprint() == opened(faces).fingerprint() != first


def test_a_database_that_is_replaced_while_it_is_used_is_noticed(faces):
    source = opened(faces)
    before = source.fingerprint()
    (faces / "faces.lmdb/data.mdb").touch()
    assert source.fingerprint() == before
    database(faces / "new.lmdb", {name.removesuffix(".png"): png(50) for name in source.ids})
    (faces / "new.lmdb/data.mdb").replace(faces / "faces.lmdb/data.mdb")
    assert source.fingerprint() != before


def test_the_fingerprint_follows_content_not_place(faces):
    shutil.copytree(faces / "faces.lmdb", faces / "elsewhere/faces.lmdb")
    assert opened(faces / "elsewhere", size=8).fingerprint() == opened(faces, size=8).fingerprint()
    assert opened(faces, size=8).fingerprint() != opened(faces, size=9).fingerprint()


# Pairs


def pairs(root, **fields):
    return open_source(PairedData(**{"gt": "gt.lmdb", "lq": "lq.lmdb", **fields}), root, root / "cache")


@pytest.fixture
def coupled(tmp_path):
    """Both sides in databases and in folders."""
    for side, height, width in (("gt", 16, 24), ("lq", 8, 12)):
        images = {str(seed): png(seed, height=height, width=width) for seed in range(11)}
        database(tmp_path / f"{side}.lmdb", images)
        (tmp_path / side).mkdir()
        for key, content in images.items():
            (tmp_path / side / f"{key}.png").write_bytes(content)
    return tmp_path


def test_pairs_are_those_of_two_folders(coupled):
    source, folders = pairs(coupled, size=8), pairs(coupled, gt="gt", lq="lq", size=8)
    assert list(source.ids) == list(folders.ids)
    assert Pairs(source, (), 0).scale == 2
    assert_array_equal(source.image(10), pixels(16, 24, 10)[4:12, 8:16])
    made, wanted = (TrainingBatches(Pairs(pair, (), 0), 5, 3, patch=4).batch(2) for pair in (source, folders))
    assert (made.lq == wanted.lq).all()
    assert (made.gt == wanted.gt).all()
    assert source.fingerprint() == folders.fingerprint()


def test_one_side_may_be_a_folder(coupled):
    source = pairs(coupled, lq="lq", count=3)
    assert_array_equal(source.degraded(2), pixels(8, 12, 2))


def test_databases_that_do_not_match_are_named(coupled):
    database(coupled / "less.lmdb", {str(seed): png(seed, height=8, width=12) for seed in range(1, 11)})
    with pytest.raises(DataError, match=r"gt without lq \(1\): 0\.png \(lq 0\.\*\)"):
        pairs(coupled, lq="less.lmdb")
    assert list(pairs(coupled, lq="less.lmdb", on_error="skip").ids) == [f"{seed}.png" for seed in range(1, 11)]


# Processes


@pytest.mark.parametrize("workers", [1, 2])
def test_loaders_make_the_same_batches_from_any_step_on(faces, workers):
    batches = TrainingBatches(Pairs(opened(faces), OPERATORS, 0), seed=3, batch_size=2, patch=8, flips=True)
    wanted = [batches.batch(step) for step in range(8)]
    for first in (0, 5):
        loader = DataLoader(batches, batch_size=None, sampler=range(first, 8), num_workers=workers)
        for step, batch in zip(range(first, 8), loader, strict=True):
            assert (batch.lq == wanted[step].lq).all()
            assert (batch.gt == wanted[step].gt).all()


def test_several_sources_and_threads_share_a_database(faces):
    source = opened(faces)
    others = [opened(faces, count=5), pickle.loads(pickle.dumps(source))]
    with ThreadPoolExecutor(4) as pool:
        images = list(pool.map(lambda index: others[index % 2].image(index % 5), range(40)))
    for index, image in enumerate(images):
        assert_array_equal(image, source.image(index % 5))


# Databases that are not what they should be


def test_a_missing_database_or_library_is_named(faces, monkeypatch):
    with pytest.raises(DataError, match=r"gone\.lmdb: no such lmdb \(a folder with data\.mdb and meta_info\.txt\)"):
        opened(faces, "gone.lmdb")
    (faces / "faces.lmdb/meta_info.txt").rename(faces / "list.txt")
    with pytest.raises(DataError, match=r"faces\.lmdb/meta_info\.txt: cannot be read as a list of names"):
        opened(faces)
    (faces / "list.txt").rename(faces / "faces.lmdb/meta_info.txt")
    monkeypatch.setitem(sys.modules, "lmdb", None)
    with pytest.raises(DataError, match=r'pip install "ugpnet-bench\[lmdb\]"'):
        opened(faces)


def test_a_database_cut_off_is_refused_before_it_ends_the_process(faces):
    source = opened(faces)
    path = faces / "faces.lmdb/data.mdb"
    size = path.stat().st_size
    for length in (size - 1, size // 2, 8192):
        os.truncate(path, length)
        for use in (lambda: opened(faces), lambda: source.image(11)):
            with pytest.raises(DataError, match=rf"faces\.lmdb: data\.mdb is cut off: {length} of {size} bytes"):
                use()


@pytest.mark.parametrize("content", [b"", b"no database" * 800, np.random.default_rng(0).bytes(8192)])
def test_what_is_no_database_is_refused(faces, content):
    (faces / "faces.lmdb/data.mdb").write_bytes(content)
    with pytest.raises(DataError, match=r"faces\.lmdb: cannot be read as an lmdb \(.*\); check the path"):
        opened(faces)


def test_images_that_cannot_be_used_are_named_or_left_out(tmp_path):
    whole = png(0, height=64, width=64)
    images = {"a": whole, "b": whole[:600], "c": b"no image", "e": png(1, height=7)}
    database(tmp_path / "faces.lmdb", images, listed=["a", "b", "c", "d", "e", "/"])
    with pytest.raises(DataError) as caught:
        opened(tmp_path, size=8)
    message = str(caught.value)
    assert message.startswith("5 image(s) cannot be used (`on_error: skip` leaves them out)")
    assert "faces.lmdb: b.png: cannot be read as an image" in message
    assert "faces.lmdb: d.png: is in meta_info.txt, but not in the database; make the lmdb anew" in message
    assert "faces.lmdb: e.png: its shorter side, 7 pixels, is below size 8" in message
    source = opened(tmp_path, size=8, on_error="skip")
    assert (list(source.ids), len(source.skipped)) == (["a.png"], 5)
