"""A zoo of image files, folders and pairs; fingerprints."""

import pickle
import shutil

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image
from pydantic import ValidationError

from bench.data.cache import CachedSource
from bench.data.config import FolderData, PairedData, PhotosData, PortraitsData
from bench.data.fingerprint import digest_files
from bench.data.images import check_image, read_image
from bench.data.listing import natural_key
from bench.data.sources import open_source
from bench.errors import DataError


def pixels(height=12, width=16, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def write(path, image=None, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels() if image is None else image).save(path, **options)
    return path


def folder(path, names, side=16):
    for seed, name in enumerate(names):
        write(path / name, pixels(side, side, seed))
    return path


def cut(path, part=0.6):
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * part)])


def opened(tmp_path, **fields):
    return open_source(FolderData(path="images", **fields), tmp_path)


# One file


def test_rgb_is_read_as_it_is(tmp_path):
    image = pixels(13, 17)
    for suffix in ("png", "bmp", "tiff", "ppm"):
        assert_array_equal(read_image(write(tmp_path / f"a.{suffix}", image)), image)
    assert_array_equal(read_image(write(tmp_path / "a.webp", image, lossless=True)), image)


def test_grey_is_repeated(tmp_path):
    grey = pixels()[..., 0]
    assert_array_equal(read_image(write(tmp_path / "a.png", grey)), np.stack([grey] * 3, axis=-1))


def test_16_bit_grey_is_scaled_not_clipped(tmp_path):
    deep = np.array([[0, 127, 128, 257], [32768, 65280, 65406, 65535]], np.uint16)
    for suffix in ("png", "tiff"):
        read = read_image(write(tmp_path / f"a.{suffix}", deep))
        assert_array_equal(read[..., 0], np.floor(deep / 257 + 0.5))


def test_alpha_is_dropped(tmp_path):
    image, alpha = pixels(), np.zeros((12, 16, 1), np.uint8)
    assert_array_equal(read_image(write(tmp_path / "a.png", np.concatenate([image, alpha], axis=2))), image)


def test_a_palette_gives_its_colours(tmp_path):
    indexed = Image.fromarray(pixels()).quantize(256)
    indexed.save(tmp_path / "a.png", transparency=0)
    assert_array_equal(read_image(tmp_path / "a.png"), np.array(indexed.convert("RGB")))


def test_exif_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = write(tmp_path / "a.png", pixels(12, 16), exif=exif)
    assert_array_equal(read_image(path), np.rot90(pixels(12, 16), -1))
    assert check_image(path) == (12, 16)


def test_cmyk_becomes_rgb(tmp_path):
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=100)
    assert_array_equal(read_image(tmp_path / "a.jpg")[0, 0], [255, 0, 0])


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "bmp"])
def test_a_truncated_file_is_named(tmp_path, suffix):
    path = write(tmp_path / f"a b.{suffix}", pixels(64, 64))
    cut(path)
    for read in (read_image, check_image):
        with pytest.raises(DataError, match=rf"a b\.{suffix}: cannot be read"):
            read(path)


@pytest.mark.parametrize("content", [b"", b"not an image", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_a_file_that_is_no_image_is_named(tmp_path, content):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    for read in (read_image, check_image):
        with pytest.raises(DataError, match=r"a\.png: cannot be read"):
            read(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png: no such image"):
        read_image(tmp_path / "gone.png")


def test_bytes_after_the_end_are_harmless(tmp_path):
    path = write(tmp_path / "a.jpg", pixels(64, 64))
    path.write_bytes(path.read_bytes() + b"maker's notes")
    assert check_image(path) == (64, 64)


def test_a_bomb_is_refused(tmp_path):
    path = write(tmp_path / "a.png", pixels(20, 20))
    for read in (read_image, check_image):
        with pytest.raises(DataError, match="20 x 20 pixels, more than the limit of 399"):
            read(path, max_pixels=399)


def test_samples_without_a_range_are_refused(tmp_path):
    for name, dtype in (("float", np.float32), ("deep", np.int32)):
        path = write(tmp_path / f"{name}.tiff", np.full((4, 4), 70_000, dtype))
        with pytest.raises(DataError, match=f"{name}.*no known range"):
            read_image(path)


# Folders


def test_ids_are_natural_recursive_and_visible(tmp_path):
    names = ["10.png", "2.png", "b/1.jpg", "a.png", "a.jpg", "ä ö.png", ".hidden.png", ".git/x.png"]
    folder(tmp_path / "images", names)
    (tmp_path / "images" / "notes.txt").write_text("no image")
    source = opened(tmp_path)
    assert list(source.ids) == ["2.png", "10.png", "a.jpg", "a.png", "b/1.jpg", "ä ö.png"]
    assert_array_equal(source.image(0), pixels(16, 16, 1))


def test_natural_order_is_total():
    names = ["a1", "a01", "a10b2", "a10b10", "1a", "a", "10", "9"]
    ordered = ["1a", "9", "10", "a", "a01", "a1", "a10b2", "a10b10"]
    assert sorted(names, key=natural_key) == ordered
    names.reverse()
    assert sorted(names, key=natural_key) == ordered


def test_start_and_count_select(tmp_path):
    folder(tmp_path / "images", [f"{i}.png" for i in range(12)])
    assert list(opened(tmp_path, start=9, count=2).ids) == ["9.png", "10.png"]
    with pytest.raises(DataError, match="holds 12 images, too few for start 9, count 4"):
        opened(tmp_path, start=9, count=4)


@pytest.mark.parametrize("prepare", [lambda path: None, lambda path: path.mkdir()])
def test_an_empty_folder_is_an_error(tmp_path, prepare):
    prepare(tmp_path / "images")
    with pytest.raises(DataError, match=r"images: (no such folder|holds no image)"):
        opened(tmp_path)


@pytest.mark.parametrize("fit", ["resize", "center_crop", "random_crop"])
def test_fits_make_squares_of_mixed_sizes(tmp_path, fit):
    write(tmp_path / "images/a.png", pixels(31, 47))
    write(tmp_path / "images/b.png", pixels(64, 20))
    source = opened(tmp_path, size=20, fit=fit)
    assert [source.image(i).shape for i in range(2)] == [(20, 20, 3)] * 2
    assert_array_equal(source.image(0), opened(tmp_path, size=20, fit=fit, count=1).image(0))


def test_fits_take_what_they_say(tmp_path):
    image = pixels(30, 50)
    write(tmp_path / "images/a.png", image)
    assert_array_equal(opened(tmp_path, size=20, fit="center_crop").image(0), image[5:25, 15:35])
    whole = Image.fromarray(image[:, 10:40].copy()).resize((15, 15), Image.Resampling.LANCZOS)
    assert_array_equal(opened(tmp_path, size=15, fit="resize").image(0), np.array(whole))
    crop = opened(tmp_path, size=20, fit="random_crop").image(0)
    places = [(y, x) for y in range(11) for x in range(31) if np.array_equal(image[y : y + 20, x : x + 20], crop)]
    assert len(places) == 1


def damaged_folder(path):
    folder(path, [f"{i}.png" for i in range(5)], side=64)
    cut(path / "1.png")
    (path / "3.png").write_bytes(b"")
    write(path / "4.png", pixels(64, 30))
    return path


def test_fail_names_every_unusable_file(tmp_path):
    damaged_folder(tmp_path / "images")
    with pytest.raises(DataError) as error:
        opened(tmp_path, size=32)
    for part in (
        "3 image(s)",
        "1.png: cannot",
        "3.png: cannot",
        "4.png: its shorter side, 30",
        "on_error: skip",
    ):
        assert part in str(error.value)


def test_skip_leaves_them_out_and_reports_them(tmp_path):
    damaged_folder(tmp_path / "images")
    source = opened(tmp_path, size=32, on_error="skip")
    assert list(source.ids) == ["0.png", "2.png"]
    assert list(source.skipped) == ["1.png", "3.png", "4.png"]
    with pytest.raises(DataError, match="image"):
        opened(tmp_path, size=100, on_error="skip")


def test_skip_does_not_move_the_border_between_splits(tmp_path):
    damaged_folder(tmp_path / "images")
    train = opened(tmp_path, count=3, on_error="skip")
    test = opened(tmp_path, start=3, on_error="skip")
    assert (list(train.ids), list(test.ids)) == (["0.png", "2.png"], ["4.png"])


def test_damage_inside_a_file_is_named_at_use(tmp_path):
    path = write(tmp_path / "images/a.png", pixels(64, 64))
    content = bytearray(path.read_bytes())
    content[200:400] = bytes(200)
    path.write_bytes(content)
    source = opened(tmp_path, on_error="skip")
    with pytest.raises(DataError, match=r"a\.png: cannot be read"):
        source.image(0)


# Pairs of folders


def pair_folders(root, count=3, scale=2, template="{}x2", size=16):
    for i in range(count):
        write(root / f"gt/{i}.png", pixels(size, size + 4, i))
        write(root / f"lq/{template.replace('{}', str(i))}.png", pixels(size // scale, (size + 4) // scale, i))
    return root


def paired(root, **fields):
    return open_source(PairedData(lq="lq", gt="gt", **fields), root)


def test_pairs_match_by_template(tmp_path):
    source = paired(pair_folders(tmp_path), template="{}x2")
    assert list(source.ids) == ["0.png", "1.png", "2.png"]
    assert_array_equal(source.image(1), pixels(16, 20, 1))
    assert_array_equal(source.degraded(1), pixels(8, 10, 1))


def test_pairs_match_across_suffixes_and_sub_folders(tmp_path):
    write(tmp_path / "gt/a/ü 1.png")
    write(tmp_path / "lq/a/ü 1.bmp")
    assert list(paired(tmp_path).ids) == ["a/ü 1.png"]


def test_crops_of_both_are_at_the_same_place(tmp_path):
    small = pixels(9, 14)
    write(tmp_path / "lq/a.png", small)
    write(tmp_path / "gt/a.png", small.repeat(3, axis=0).repeat(3, axis=1))
    source = paired(tmp_path, size=12)
    assert source.degraded(0).shape == (4, 4, 3)
    assert_array_equal(source.degraded(0).repeat(3, axis=0).repeat(3, axis=1), source.image(0))


def test_unmatched_names_are_listed(tmp_path):
    pair_folders(tmp_path, template="{}")
    write(tmp_path / "gt/only gt.png")
    write(tmp_path / "lq/only lq.png")
    with pytest.raises(DataError) as error:
        paired(tmp_path)
    assert "gt without lq (1): only gt.png" in str(error.value)
    assert "lq without gt (1): only lq.png" in str(error.value)
    source = paired(tmp_path, on_error="skip")
    assert list(source.ids) == ["0.png", "1.png", "2.png"]
    assert len(source.skipped) == 2


@pytest.mark.parametrize("side", ["lq", "gt"])
def test_two_files_of_one_stem_are_ambiguous(tmp_path, side):
    pair_folders(tmp_path, template="{}")
    write(tmp_path / f"{side}/1.jpg")
    with pytest.raises(DataError, match=f"{side}: holds both 1.jpg and 1.png"):
        paired(tmp_path)


def test_a_pair_at_another_scale_is_named(tmp_path):
    pair_folders(tmp_path, template="{}")
    write(tmp_path / "lq/2.png", pixels(8, 8))
    with pytest.raises(DataError, match=r"gt/2\.png: its sides \(16, 20\) are not 2 times"):
        paired(tmp_path)
    assert list(paired(tmp_path, on_error="skip").skipped) == ["2.png"]


def test_a_crop_must_be_a_multiple_of_the_scale(tmp_path):
    with pytest.raises(DataError, match="size 7 is no multiple of 2"):
        paired(pair_folders(tmp_path, template="{}"), size=7)


def test_a_damaged_lq_drops_its_pair(tmp_path):
    pair_folders(tmp_path, template="{}", size=64)
    cut(tmp_path / "lq/1.png")
    with pytest.raises(DataError, match=r"lq/1\.png"):
        paired(tmp_path)
    source = paired(tmp_path, on_error="skip")
    assert (list(source.ids), list(source.skipped)) == (["0.png", "2.png"], ["1.png"])


@pytest.mark.parametrize("line", ["{0}.png", "{0}.png (16,20,3)", "{0}.png, {0}x2.png", "{0}.png (16, 20, 3)"])
def test_meta_info_restricts_the_pairs(tmp_path, line):
    pair_folders(tmp_path, count=11)
    (tmp_path / "meta.txt").write_text("".join(line.format(i) + "\n" for i in (10, 2)) + "\n")
    source = paired(tmp_path, template="{}x2", meta_info="meta.txt")
    assert list(source.ids) == ["2.png", "10.png"]


def test_meta_info_with_unknown_names_is_an_error(tmp_path):
    pair_folders(tmp_path)
    (tmp_path / "meta.txt").write_text("0.png\nmissing one.png (3,3,3)\n")
    with pytest.raises(DataError, match=r"not in gt \(1\): missing one\.png"):
        paired(tmp_path, template="{}x2", meta_info="meta.txt")
    with pytest.raises(DataError, match="cannot be read as a list"):
        paired(tmp_path, template="{}x2", meta_info="gone.txt")


@pytest.mark.parametrize("template", ["x4", "{}{}", "../{}"])
def test_templates_hold_one_placeholder(template):
    with pytest.raises(ValidationError):
        PairedData(lq="lq", gt="gt", template=template)


# Photographs and portraits


def test_photos_are_colour_crops(tmp_path):
    source = open_source(PhotosData(count=12, size=48), tmp_path)
    again = open_source(PhotosData(count=12, size=48), tmp_path)
    assert len(set(source.ids)) == 12
    for index in range(12):
        image = source.image(index)
        assert image.shape == (48, 48, 3)
        assert np.ptp(image.astype(int), axis=2).max() > 10
        assert_array_equal(image, again.image(index))
    assert not np.array_equal(source.image(0), open_source(PhotosData(count=1, size=48, seed=1), tmp_path).image(0))


def test_photos_are_never_enlarged(tmp_path):
    assert {name.split("-")[0] for name in open_source(PhotosData(size=500), tmp_path).ids} == {
        "astronaut",
        "motorcycle_left",
    }
    with pytest.raises(DataError, match="no photograph"):
        open_source(PhotosData(size=600), tmp_path)


def test_portraits_of_different_splits_differ(tmp_path):
    images = {
        split: open_source(PortraitsData(split=split, count=2, size=16), tmp_path).image(0)
        for split in ("train", "val", "test")
    }
    assert images["train"].shape == (16, 16, 3)
    assert images["train"].dtype == np.uint8
    assert not np.array_equal(images["train"], images["test"])
    assert not np.array_equal(images["train"], images["val"])
    assert not np.array_equal(images["val"], images["test"])


# Cache and fingerprints


class CountingSource:
    ids = ("a", "b", "c")
    skipped = ()

    def __init__(self):
        self.calls = 0

    def image(self, index, visit=0):
        self.calls += 1
        return pixels(4, 4, index)

    def degraded(self, index):
        return None

    def fingerprint(self):
        return "f"


def test_a_cache_is_bounded_read_only_and_stays_behind():
    inner = CountingSource()
    source = CachedSource(inner, max_bytes=2 * 48)
    for _ in range(3):
        for index in range(3):
            assert_array_equal(source.image(index), pixels(4, 4, index))
    assert inner.calls == 2 + 3
    assert not source.image(0).flags.writeable
    assert len(pickle.dumps(source)) < 500


def test_nothing_is_kept_of_what_hardly_fits():
    inner = CountingSource()
    inner.ids = tuple(map(str, range(25)))
    source = CachedSource(inner, max_bytes=2 * 48)
    for _ in range(2):
        source.image(0)
    assert inner.calls == 2


def test_a_fingerprint_follows_content_not_place(tmp_path):
    folder(tmp_path / "images", ["a.png", "b.png"])
    shutil.copytree(tmp_path / "images", tmp_path / "elsewhere" / "images")
    same = opened(tmp_path, size=8).fingerprint()
    assert same == opened(tmp_path / "elsewhere", size=8).fingerprint()
    assert same != opened(tmp_path, size=9).fingerprint()
    assert same != opened(tmp_path, size=8, fit="center_crop").fingerprint()
    assert same != opened(tmp_path, size=8, count=1).fingerprint()
    assert opened(tmp_path).fingerprint() == opened(tmp_path, fit="center_crop").fingerprint()
    write(tmp_path / "images/b.png", pixels(16, 16, 9))
    assert same != opened(tmp_path, size=8).fingerprint()


def test_a_renamed_file_changes_the_fingerprint(tmp_path):
    folder(tmp_path / "images", ["a.png", "b.png"])
    before = opened(tmp_path).fingerprint()
    (tmp_path / "images/b.png").rename(tmp_path / "images/c.png")
    assert opened(tmp_path).fingerprint() != before


def test_a_pair_fingerprint_covers_both_sides(tmp_path):
    pair_folders(tmp_path, template="{}")
    before = paired(tmp_path).fingerprint()
    write(tmp_path / "lq/1.png", pixels(8, 10, 9))
    assert paired(tmp_path).fingerprint() != before


def test_generated_fingerprints_follow_their_settings(tmp_path):
    prints = [
        open_source(config, tmp_path).fingerprint()
        for config in (
            PortraitsData(split="train", count=4),
            PortraitsData(split="test", count=4),
            PortraitsData(split="train", count=5),
            PortraitsData(split="train", count=4, seed=1),
            PhotosData(count=4),
            PhotosData(count=4, seed=1),
        )
    ]
    assert len(set(prints)) == len(prints)
    assert prints[0] == open_source(PortraitsData(split="train", count=4), tmp_path / "other").fingerprint()


def test_digests_are_kept_and_follow_changes(tmp_path):
    paths = [write(tmp_path / f"{i}.png", pixels(8, 8, i)) for i in range(3)]
    cache = tmp_path / "cache" / "digests.json"
    first = digest_files(paths, cache)
    assert first == digest_files(paths) == digest_files(paths, cache)
    cache.write_text(cache.read_text().replace(first[0], "0" * 64))
    assert digest_files(paths, cache)[0] == "0" * 64
    write(paths[0], pixels(9, 9, 7))
    assert digest_files(paths, cache)[0] not in (first[0], "0" * 64)
    cache.write_text("{ damaged")
    assert digest_files(paths, cache) == digest_files(paths)


def test_a_random_crop_moves_with_the_visit_and_with_nothing_else(tmp_path):
    write(tmp_path / "images/a.png", pixels(60, 80))
    source = opened(tmp_path, size=20, fit="random_crop")
    visits = [source.image(0, visit) for visit in range(4)]
    again = opened(tmp_path, size=20, fit="random_crop")
    assert all(np.array_equal(crop, again.image(0, visit)) for visit, crop in enumerate(visits))
    assert not any(np.array_equal(visits[0], crop) for crop in visits[1:])
    assert source.fingerprint() != opened(tmp_path, size=20, fit="center_crop").fingerprint()
    still = opened(tmp_path, size=20, fit="center_crop")
    assert np.array_equal(still.image(0, 0), still.image(0, 3))
