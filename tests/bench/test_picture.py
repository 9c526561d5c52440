"""Users' images: what a network does not see survives it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps
from torchvision.io import ImageReadMode, decode_png

from bench.data.picture import ORIENTATION, Picture, encode_picture, read_picture
from bench.data.png import encode_png
from bench.errors import DataError

RNG = np.random.default_rng(0)
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def wide(channels: int) -> NDArray[np.uint16]:
    return RNG.integers(0, 65536, (5, 7, channels), dtype=np.uint16)


def decoded(content: bytes) -> NDArray[Any]:
    image = decode_png(torch.frombuffer(bytearray(content), dtype=torch.uint8), ImageReadMode.UNCHANGED)
    return image.permute(1, 2, 0).numpy()


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_sixteen_bit_png_survives_a_round_trip(tmp_path: Path, channels: int) -> None:
    samples = wide(channels)
    (tmp_path / "a.png").write_bytes(encode_png(samples, PROFILE))
    picture = read_picture(tmp_path / "a.png")
    assert (picture.bits, picture.grey, picture.alpha is not None) == (16, channels < 3, channels in (2, 4))
    assert picture.rgb.dtype == np.float32
    assert picture.rgb.shape == (5, 7, 3)
    assert picture.profile == PROFILE
    again = encode_picture(picture)
    tolerance = 1 if picture.grey else 0  # the weights of luma sum to 1 up to rounding
    assert np.abs(decoded(again).astype(int) - samples).max() <= tolerance
    assert Image.open(io.BytesIO(again)).info["icc_profile"] == PROFILE


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA"])
def test_an_eight_bit_image_survives_a_round_trip(tmp_path: Path, mode: str) -> None:
    pixels = RNG.integers(0, 256, (5, 7, len(mode)), dtype=np.uint8)
    image = Image.fromarray(pixels.squeeze(), mode)
    image.save(tmp_path / "a.png", icc_profile=PROFILE)
    written = Image.open(io.BytesIO(encode_picture(read_picture(tmp_path / "a.png"))))
    assert written.mode == mode
    assert np.array_equal(np.asarray(written), np.asarray(image))
    assert written.info["icc_profile"] == PROFILE


@pytest.mark.parametrize("planes", ["contig", "separate"])
def test_sixteen_bit_tiff_keeps_its_depth(tmp_path: Path, planes: str) -> None:
    samples = wide(3)
    stored = samples if planes == "contig" else np.moveaxis(samples, -1, 0)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", planarconfig=planes, compression="zlib")
    picture = read_picture(tmp_path / "a.tif")
    assert picture.bits == 16
    assert np.array_equal(decoded(encode_picture(picture)), samples)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_wide_images_are_put_upright_as_pillow_does(tmp_path: Path, orientation: int) -> None:
    samples = wide(3)
    tag = (ORIENTATION, "H", 1, orientation, True)
    tifffile.imwrite(tmp_path / "a.tif", samples, photometric="rgb", extratags=[tag])
    narrow = Image.fromarray((samples >> 8).astype(np.uint8))
    narrow.getexif()[ORIENTATION] = orientation
    upright = np.asarray(ImageOps.exif_transpose(narrow))
    assert np.array_equal((read_picture(tmp_path / "a.tif").rgb * 65535).round().astype(int) >> 8, upright)


def test_a_photograph_held_sideways_is_put_upright(tmp_path: Path) -> None:
    image = Image.fromarray(RNG.integers(0, 256, (5, 7, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    image.save(tmp_path / "a.png", exif=exif)
    assert read_picture(tmp_path / "a.png").rgb.shape == (7, 5, 3)
    assert Image.open(io.BytesIO(encode_picture(read_picture(tmp_path / "a.png")))).getexif().get(ORIENTATION, 1) == 1


def test_a_palette_with_a_transparent_entry_has_alpha(tmp_path: Path) -> None:
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.save(tmp_path / "a.png", transparency=1)
    picture = read_picture(tmp_path / "a.png")
    assert picture.alpha is not None
    assert picture.alpha.tolist() == [[1, 0]]
    assert picture.rgb.tolist() == [[[1, 0, 0], [0, 0, 1]]]


def test_alpha_follows_an_enlargement() -> None:
    alpha = np.zeros((4, 4), np.float32)
    alpha[:, 2:] = 1
    enlarged = Picture(np.zeros((4, 4, 3), np.float32), alpha).with_pixels(np.zeros((8, 8, 3), np.float32)).alpha
    assert enlarged is not None
    assert enlarged.shape == (8, 8)
    assert enlarged[:, :2].max() < 0.1
    assert enlarged[:, -2:].min() > 0.9
    assert 0 <= enlarged.min() <= enlarged.max() <= 1


def test_a_cmyk_profile_does_not_go_with_rgb(tmp_path: Path) -> None:
    Image.new("CMYK", (3, 2)).save(tmp_path / "a.tif", icc_profile=PROFILE)
    assert read_picture(tmp_path / "a.tif").profile is None


@pytest.mark.parametrize(("name", "content", "message"), [
    ("a.png", b"", r"a\.png: .*it is empty"),
    ("a.png", b"hello", r"a\.png: .*no known type"),
    ("a.jpg", b"\xff\xd8\xff\xe0\x00\x10JFIF", r"a\.jpg: "),
])  # fmt: skip
def test_a_damaged_file_is_named(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_picture(tmp_path / name)


def test_half_a_sixteen_bit_file_is_named(tmp_path: Path) -> None:
    content = encode_png(np.zeros((64, 64, 3), np.uint16) + RNG.integers(0, 999, (64, 64, 3), dtype=np.uint16))
    (tmp_path / "a.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=r"a\.png: cannot be read"):
        read_picture(tmp_path / "a.png")


def test_floats_and_bombs_are_refused(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((2, 2), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match="no known range"):
        read_picture(tmp_path / "a.tif")
    Image.new("L", (20, 20)).save(tmp_path / "b.png")
    with pytest.raises(DataError, match="more than the limit of 100"):
        read_picture(tmp_path / "b.png", max_pixels=100)
