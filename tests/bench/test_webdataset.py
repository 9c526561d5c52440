"""Tar shards as the library webdataset writes them, read by offset; hostile ones are refused by name."""

import gzip
import io
import json
import os
import pickle
import shutil
import tarfile
import time

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from pydantic import ValidationError
from torch.utils.data import DataLoader

from bench.data import tar_index, webdataset
from bench.data.config import FolderData, PairedData, WebdatasetData
from bench.data.pairs import Pairs, TrainingBatches
from bench.data.sources import open_source
from bench.degradations import GaussianNoise, MotionBlur
from bench.errors import DataError

OPERATORS = (MotionBlur(kernel_size=5, bank=3), GaussianNoise(sigma=0.1))


def pixels(height=16, width=20, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def encoded(image, kind="PNG"):
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind)
    return buffer.getvalue()


def png(seed, **sides):
    return encoded(pixels(seed=seed, **sides))


def entry(name, size=0, **fields):
    """As webdataset's TarWriter has it; the time is a fraction, hence a pax header before every member."""
    info = tarfile.TarInfo(name)
    info.size, info.mtime, info.mode, info.uname, info.gname = size, time.time(), 0o444, "bigdata", "bigdata"
    for field, value in fields.items():
        setattr(info, field, value)
    return info


def shard(path, files, *special):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in files.items():
            tar.addfile(entry(name, len(content)), io.BytesIO(content))
        for info in special:
            tar.addfile(info)
    return path


@pytest.fixture
def faces(tmp_path):
    """Twelve images in three shards, and what webdataset has beside images."""
    for first in (0, 4, 8):
        samples = {f"{seed:05d}": seed for seed in range(first, first + 4)}
        files = {
            f"{key}.{part}": content
            for key, seed in samples.items()
            for part, content in (("json", json.dumps({"seed": seed}).encode()), ("png", png(seed)))
        }
        shard(tmp_path / f"shards/faces-{first // 4:06d}.tar", files)
    return tmp_path


def opened(root, path="shards", **fields):
    return open_source(WebdatasetData(path=path, **fields), root, root / "cache")


def unpack(root):
    """Every shard into a folder of its name."""
    for path in sorted((root / "shards").glob("*.tar")):
        with tarfile.open(path) as tar:
            tar.extractall(root / "unpacked" / path.stem, filter="data")
    return open_source(FolderData(path="unpacked"), root)


# What is read


def test_images_are_those_of_a_folder_with_the_shards_unpacked(faces):
    source, folder = opened(faces), unpack(faces)
    assert list(source.ids) == list(folder.ids)
    assert source.ids[5] == "faces-000001/00005.png"
    for index in range(12):
        assert_array_equal(source.image(index), pixels(seed=index))
        assert_array_equal(source.image(index), folder.image(index))
        assert source.degraded(index) is None


@pytest.mark.parametrize("options", [{}, {"size": 12, "fit": "random_crop"}, {"size": 8}, {"start": 3, "count": 7}])
def test_batches_are_those_of_the_folder(faces, options):
    unpack(faces)
    sources = opened(faces, **options), open_source(FolderData(path="unpacked", **options), faces)
    made, wanted = (TrainingBatches(Pairs(source, OPERATORS, 1), 2, 3, patch=8, flips=True) for source in sources)
    for step in (7, 0, 3):
        assert (made.batch(step).lq == wanted.batch(step).lq).all()
        assert (made.batch(step).gt == wanted.batch(step).gt).all()
    assert sources[0].fingerprint() != sources[1].fingerprint()


@pytest.mark.parametrize("path", ["shards", "shards/faces-{000000..000002}.tar", "shards/faces-00000{0,1,2}.tar"])
def test_shards_are_a_folder_or_a_pattern(faces, path):
    assert list(opened(faces, path).ids) == list(opened(faces).ids)


def test_one_shard_and_some_shards(faces):
    assert list(opened(faces, "shards/faces-000001.tar").ids) == [f"faces-000001/{i:05d}.png" for i in range(4, 8)]
    assert len(opened(faces, "shards/faces-{000001..000002}.tar").ids) == 8
    assert list(opened(faces, "{shards,shards}/faces-000000.tar", count=1).ids) == ["shards/faces-000000/00000.png"]


def test_parts_are_chosen_by_extension(tmp_path):
    jpeg = encoded(pixels(), "JPEG")
    files = {
        "./a.jpg": jpeg,
        "./a.mask.png": png(1),
        "./a.cls": b"3",
        "./dir.x/b.JPG": jpeg,
        ".hidden": b"",
        "no dot": b"",
    }
    shard(tmp_path / "shards/s.tar", files)
    assert list(opened(tmp_path).ids) == ["s/a.jpg", "s/dir.x/b.jpg"]
    assert opened(tmp_path, column="jpg").fingerprint() == opened(tmp_path).fingerprint()
    assert list(opened(tmp_path, column="mask.png", on_error="skip").ids) == ["s/a.mask.png"]
    with pytest.raises(DataError, match=r"s\.tar: dir\.x/b: holds no part 'mask\.png', but jpg"):
        opened(tmp_path, column="mask.png")


def test_samples_without_the_image_or_with_several_are_named(tmp_path):
    shard(tmp_path / "shards/s.tar", {"a.png": png(0), "a.webp": png(1), "b.json": b"{}", "c.png": png(2)})
    with pytest.raises(DataError) as caught:
        opened(tmp_path)
    assert "s.tar: a: which image is meant, of png, webp? Set `column`" in str(caught.value)
    assert "s.tar: b: holds no image, but json" in str(caught.value)
    source = opened(tmp_path, on_error="skip")
    assert (list(source.ids), list(source.skipped)) == (["s/c.png"], ["s/a.png", "s/b"])


def pairs(root, small=8):
    gt = {f"{key}.gt.png": png(key, height=16, width=24) for key in range(3)}
    lq = {f"{key}.lq.png": png(key, height=small, width=12) for key in range(3)}
    shard(root / "shards/s.tar", dict(sorted({**gt, **lq}.items())))
    return root


def test_pairs_of_one_sample(tmp_path):
    source = opened(pairs(tmp_path), column="gt.png", lq_column="lq.png")
    assert list(source.ids) == [f"s/{key}.gt.png" for key in range(3)]
    assert_array_equal(source.image(2), pixels(16, 24, 2))
    assert_array_equal(source.degraded(2), pixels(8, 12, 2))
    assert Pairs(source, (), 0).scale == 2
    cropped = opened(tmp_path, column="gt.png", lq_column="lq.png", size=8, fit="center_crop")
    assert_array_equal(cropped.image(1), pixels(16, 24, 1)[4:12, 8:16])
    assert_array_equal(cropped.degraded(1), pixels(8, 12, 1)[2:6, 4:8])
    with pytest.raises(ValidationError, match="write `fit: center_crop`"):
        WebdatasetData(path="shards", lq_column="lq.png", size=8)


def test_pairs_are_those_of_two_folders(tmp_path):
    source = opened(pairs(tmp_path), column="gt.png", lq_column="lq.png")
    for side, height, width in (("gt", 16, 24), ("lq", 8, 12)):
        (tmp_path / side / "s").mkdir(parents=True)
        for key in range(3):
            (tmp_path / side / "s" / f"{key}.{side}.png").write_bytes(png(key, height=height, width=width))
    (tmp_path / "meta.txt").write_text("".join(f"s/{key}.gt.png, s/{key}.lq.png\n" for key in range(3)))
    folders = open_source(PairedData(gt="gt", lq="lq", meta_info="meta.txt"), tmp_path)
    made, wanted = (TrainingBatches(Pairs(pair, (), 0), 5, 2, patch=8).batch(3) for pair in (source, folders))
    assert (made.lq == wanted.lq).all()
    assert (made.gt == wanted.gt).all()


# Where it is read


def test_only_what_is_needed_is_read(faces, monkeypatch):
    """Headers and ends on a first opening, nothing on a later one; of a batch, its images alone."""
    spent = []
    read = webdataset.Samples.read
    monkeypatch.setattr(
        webdataset.Samples, "read", lambda *arguments: spent.append(len(made := read(*arguments))) or made
    )
    big = {f"{key}.png": png(key, height=256, width=256) for key in range(4)}
    shard(faces / "big/s.tar", big)
    total = sum(map(len, big.values()))
    opened(faces, "big")
    assert 0 < sum(spent) < total / 4
    spent.clear()
    source = opened(faces, "big")
    assert spent == []
    source.image(2)
    assert len(big["2.png"]) <= sum(spent) < 1.2 * len(big["2.png"])
    spent.clear()
    first = source.fingerprint()
    assert sum(spent) == total
    spent.clear()
    assert opened(faces, "big").fingerprint() == first
    assert spent == []


def test_an_index_is_made_once_per_shard(faces, monkeypatch):
    first = list(opened(faces).ids)
    kept = list((faces / "cache" / "shards").glob("*.json"))
    assert len(kept) == 3
    with monkeypatch.context() as patch:
        patch.setattr(tar_index, "_scan", lambda shard: pytest.fail("read again"))
        assert list(opened(faces).ids) == first
    for damaged in ("{", "[[1]]", "7"):
        kept[0].write_text(damaged)
        assert list(opened(faces).ids) == first


def test_a_shard_that_was_replaced_is_indexed_again(faces):
    before = opened(faces).fingerprint()
    stat = (faces / "shards/faces-000001.tar").stat()
    shard(faces / "shards/faces-000001.tar", {"00009.png": png(7)})
    os.utime(faces / "shards/faces-000001.tar", ns=(stat.st_atime_ns, stat.st_mtime_ns))
    source = opened(faces)
    assert_array_equal(source.image(4), pixels(seed=7))
    assert source.fingerprint() != before


def test_a_shard_that_is_replaced_while_it_is_used_is_noticed(faces):
    source = opened(faces)
    before = source.fingerprint()
    path = faces / "shards/faces-000002.tar"
    source.image(10)
    path.touch()
    assert source.fingerprint() == before
    shard(faces / "new.tar", {f"{seed:05d}.{part}": png(seed + 1) for seed in range(8, 12) for part in ("json", "png")})
    (faces / "new.tar").replace(path)
    assert source.fingerprint() != before
    assert opened(faces).fingerprint() not in (before, source.fingerprint())
    assert_array_equal(opened(faces).image(10), pixels(seed=11))


def test_the_fingerprint_follows_content_not_place(faces):
    same = opened(faces, size=8).fingerprint()
    shutil.copytree(faces / "shards", faces / "elsewhere/shards")
    assert opened(faces / "elsewhere", size=8).fingerprint() == same
    others = [{"size": 9}, {"size": 8, "count": 4}, {"size": 8, "fit": "center_crop"}]
    assert same not in {opened(faces, **fields).fingerprint() for fields in others}
    assert opened(faces).fingerprint() == opened(faces, fit="center_crop").fingerprint()
    shard(faces / "shards/faces-000002.tar", {"00008.png": png(99)})
    assert opened(faces, size=8, count=9).fingerprint() != opened(faces / "elsewhere", size=8, count=9).fingerprint()


@pytest.mark.parametrize("workers", [1, 2])
def test_loaders_make_the_same_batches_from_any_step_on(faces, workers):
    batches = TrainingBatches(Pairs(opened(faces), OPERATORS, 0), seed=3, batch_size=2, patch=8, flips=True)
    wanted = [batches.batch(step) for step in range(8)]  # the shards are open when the loaders are forked
    for first in (0, 5):
        loader = DataLoader(batches, batch_size=None, sampler=range(first, 8), num_workers=workers)
        for step, batch in zip(range(first, 8), loader, strict=True):
            assert (batch.lq == wanted[step].lq).all()
            assert (batch.gt == wanted[step].gt).all()


def test_pickling_leaves_open_files_behind(faces):
    source = opened(faces)
    source.image(0)
    again = pickle.loads(pickle.dumps(source))
    assert_array_equal(again.image(7), source.image(7))


def test_few_files_stay_open(faces, monkeypatch):
    monkeypatch.setattr(webdataset, "MOST_OPEN", 1)
    source = opened(faces)
    before = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else pytest.skip("no /proc")
    for index in (0, 5, 10, 1, 6):
        assert_array_equal(source.image(index), pixels(seed=index))
    assert len(os.listdir("/proc/self/fd")) <= before + 1


# Shards that are not what they should be


def refused(root, message):
    with pytest.raises(DataError, match=message):
        opened(root)


def test_missing_shards_are_listed(faces):
    with pytest.raises(DataError, match=r"no such shards; check the path: .*faces-000003\.tar, .*faces-000004\.tar"):
        opened(faces, "shards/faces-{000000..000004}.tar")
    with pytest.raises(DataError, match=r"no such shards; check the path: .*gone\.tar"):
        opened(faces, "gone.tar")
    (faces / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: holds no shard; known suffixes are \.tar"):
        opened(faces, "empty")


@pytest.mark.parametrize("name", ["../a.png", "b/../../a.png", "/etc/a.png"])
def test_a_name_that_leads_out_is_refused(tmp_path, name):
    shard(tmp_path / "shards/s.tar", {"ok.png": png(0), name: png(1)})
    refused(tmp_path, rf"shards/s\.tar: '{name}' leads out of the shard; write it anew")


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
def test_a_link_is_refused(tmp_path, kind):
    shard(tmp_path / "shards/s.tar", {"ok.png": png(0)}, entry("b.png", type=kind, linkname="/etc/passwd"))
    refused(
        tmp_path, r"shards/s\.tar: 'b\.png' is a link to '/etc/passwd', no file; write it anew with `tar --dereference"
    )


def test_a_device_is_refused(tmp_path):
    shard(tmp_path / "shards/s.tar", {"ok.png": png(0)}, entry("b.png", type=tarfile.FIFOTYPE))
    refused(tmp_path, r"shards/s\.tar: 'b\.png' is a device or a pipe, no file")


def test_a_file_with_holes_is_refused(tmp_path):
    sparse = entry("b.png", pax_headers={"GNU.sparse.major": "0", "GNU.sparse.minor": "1", "GNU.sparse.map": "0,0"})
    shard(tmp_path / "shards/s.tar", {"ok.png": png(0)}, sparse)
    refused(tmp_path, r"shards/s\.tar: 'b\.png' is stored with holes")


@pytest.mark.parametrize("names", [("a.png", "./a.png"), ("a.png", "a.PNG")])
def test_one_name_twice_is_refused(tmp_path, names):
    shard(tmp_path / "shards/s.tar", {names[0]: png(0), "b.png": png(1), names[1]: png(2)})
    refused(tmp_path, r"shards/s\.tar: holds '?a\.png'? twice; write the shard anew")


def test_one_name_from_two_shards_is_refused(tmp_path):
    shard(tmp_path / "shards/a.tar", {"b/1.png": png(0)})
    shard(tmp_path / "shards/a/b.tar", {"1.png": png(0)})
    refused(tmp_path, r"webdataset shards: names occur more than once: a/b/1\.png")


def test_a_shard_cut_off_anywhere_is_refused(tmp_path):
    whole = shard(tmp_path / "whole.tar", {f"{key}.png": png(key, height=4, width=4) for key in range(3)}).read_bytes()
    end = len(whole.rstrip(b"\0")) // 512 * 512 + 512
    (tmp_path / "shards").mkdir()
    for length in [*range(0, end, 512), *range(100, end, 512)]:  # at the border of blocks, and within them
        (tmp_path / "shards/s.tar").write_bytes(whole[:length])
        refused(tmp_path, r"shards/s\.tar: (is cut off; fetch it again|cannot be read as a tar file)")


def test_a_damaged_header_is_no_end(tmp_path):
    path = shard(tmp_path / "shards/s.tar", {f"{key}.png": png(key) for key in range(3)})
    content = bytearray(path.read_bytes())
    with tarfile.open(path) as tar:
        at = tar.getmembers()[1].offset
    content[at : at + 100] = b"x" * 100
    path.write_bytes(content)
    refused(tmp_path, rf"shards/s\.tar: is damaged at byte {at}; fetch it again")


@pytest.mark.parametrize("content", [b"", b"no tar" * 200, png(0), np.random.default_rng(0).bytes(4096)])
def test_what_is_no_tar_is_refused(tmp_path, content):
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards/s.tar").write_bytes(content)
    refused(tmp_path, r"shards/s\.tar: cannot be read as a tar file")


def test_a_compressed_shard_says_what_to_do(faces):
    path = faces / "shards/faces-000001.tar"
    path.write_bytes(gzip.compress(path.read_bytes()))
    refused(
        faces, r"faces-000001\.tar: is compressed, so that single images cannot be read; decompress it once: gzip -d"
    )


def test_a_size_below_zero_does_not_go_round_for_ever(tmp_path):
    path = shard(tmp_path / "shards/s.tar", {"a.png": png(0)})
    header = entry("b.png").tobuf(tarfile.GNU_FORMAT)
    at = 124  # of the size, here -512 in base 256
    header = header[:at] + b"\xff" * 10 + b"\xfe\x00" + header[at + 12 :]
    total = 256 + sum(header[:148]) + sum(header[156:512])
    header = header[:148] + b"%06o\0 " % total + header[156:]
    path.write_bytes(header + path.read_bytes())
    refused(tmp_path, r"shards/s\.tar: ")


def test_images_that_cannot_be_used_are_named_or_left_out(tmp_path):
    whole = png(0, height=64, width=64)
    files = {"a.png": whole, "b.png": whole[:600], "c.png": b"no image", "d.png": b"", "e.png": png(1, height=7)}
    shard(tmp_path / "shards/s.tar", files)
    with pytest.raises(DataError) as caught:
        opened(tmp_path, size=8)
    message = str(caught.value)
    assert message.startswith("4 image(s) cannot be used (`on_error: skip` leaves them out)")
    assert "shards/s.tar: b.png: cannot be read as an image" in message
    assert "shards/s.tar: d.png: cannot be read as an image (it is empty)" in message
    assert "shards/s.tar: e: its shorter side, 7 pixels, is below size 8" in message
    for _ in range(2):  # the second time from what is remembered
        source = opened(tmp_path, size=8, on_error="skip")
        assert (list(source.ids), len(source.skipped)) == (["s/a.png"], 4)


def test_a_shard_cut_off_while_it_is_used_is_named(faces):
    source = opened(faces)
    os.truncate(faces / "shards/faces-000002.tar", 600)
    with pytest.raises(DataError, match=r"faces-000002\.tar: 00011\.png: cannot be read as an image"):
        source.image(11)


# Patterns


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../shards", "leaves `data.root`"),
        ("{..,a}/shards", "leaves `data.root`"),
        ("a/{../../b,c}.tar", "leaves `data.root`"),
        ("s-{9..1}.tar", "stands for -7 names"),
        ("s-{0..99999999999}.tar", "stands for 100000000000 names"),
        ("s-{0..99999}{0..99999}.tar", "more than 100000 names"),
        ("s-{000}.tar", "neither a range"),
        ("s-{1..2.tar", "a brace without its partner"),
        ("s-{{1,2},3}.tar", "a brace without its partner, or one within another"),
    ],
)
def test_a_pattern_that_means_nothing_is_refused(path, message):
    with pytest.raises(ValidationError, match=message):
        WebdatasetData(path=path)
