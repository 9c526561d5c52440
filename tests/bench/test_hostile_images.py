"""Images that are not what they claim: refused by name, before they cost memory, wherever images are read."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image
from typer.testing import CliRunner

from bench.cli import app
from bench.data.config import DataConfig, FolderData, HuggingFaceData, PairedData
from bench.data.encoded import Encoded
from bench.data.images import FORMATS, MAX_PIXELS, check_image, read_image
from bench.data.picture import read_picture
from bench.data.sources import open_source
from bench.errors import DataError

SIDE = 60_000
NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
READERS = (check_image, read_image, read_picture)


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    NOISE.save(buffer, kind)
    return buffer.getvalue()


def chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png(side: int, *more: bytes) -> bytes:
    """A complete PNG of black lines, as far as 64 kB of zeros go."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    lines = zlib.compress(bytes(min(side * (3 * side + 1), 65536)), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join([chunk(b"IHDR", header), *more, chunk(b"IDAT", lines), chunk(b"IEND", b"")])


def sides_in(content: bytes, before: bytes, sides: bytes, skip: int = 0) -> bytes:
    at = content.index(before) + len(before) + skip
    return content[:at] + sides + content[at + len(sides) :]


BOMBS: dict[str, bytes] = {
    "png": png(SIDE),
    "jpg": sides_in(encoded("JPEG"), b"\xff\xc0", struct.pack(">HH", SIDE, SIDE), skip=3),
    "bmp": sides_in(encoded("BMP"), struct.pack("<I", 40), struct.pack("<ii", SIDE, SIDE)),
    "ppm": b"P6\n%d %d\n255\n" % (SIDE, SIDE) + bytes(100),
    "gif": sides_in(encoded("GIF"), b"GIF8", struct.pack("<HH", SIDE, SIDE), skip=2),
    "tif": sides_in(
        sides_in(encoded("TIFF"), struct.pack("<HHI", 256, 4, 1), struct.pack("<I", SIDE)),
        struct.pack("<HHI", 257, 4, 1), struct.pack("<I", SIDE),
    ),
}  # fmt: skip


@pytest.fixture(params=BOMBS)
def bomb(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """An image of 60,000 pixels a side in a few kB."""
    path = tmp_path / f"bomb.{request.param}"
    path.write_bytes(BOMBS[request.param])
    assert path.stat().st_size < 20_000
    return path


@pytest.mark.parametrize("read", READERS)
def test_a_bomb_is_refused_by_its_header(bomb: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(DataError, match=rf"{bomb}: .*more.* than the limit of {MAX_PIXELS}; reduce or crop it"):
        read(bomb)


def test_the_limit_is_the_same_below_pillow_s(tmp_path: Path) -> None:
    """Pillow only warns from here to twice as much."""
    side = int(MAX_PIXELS**0.5) + 1
    (tmp_path / "a.png").write_bytes(png(side))
    for read in READERS:
        with pytest.raises(DataError, match=f"{side} x {side} pixels, more than the limit of {MAX_PIXELS}"):
            read(tmp_path / "a.png")


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(BOMBS["png"])
    program = (
        "import resource; from pathlib import Path; from bench.data.picture import read_picture\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"try: read_picture(Path({str(tmp_path / 'a.png')!r}))\n"
        "except Exception as error: print(type(error).__name__)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 30_000)"
    )
    out = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert out.split() == ["DataError", "True"]


@pytest.mark.parametrize("name", [b"zTXt", b"iCCP"])
def test_a_bomb_in_a_png_s_text_or_profile_is_refused(tmp_path: Path, name: bytes) -> None:
    hidden = chunk(name, b"name\0\0" + zlib.compress(bytes(100_000_000), 9))
    (tmp_path / "a.png").write_bytes(png(4, hidden))
    for read in READERS:
        with pytest.raises(DataError, match=r"a\.png: cannot be read as an image \(Decompressed data too large"):
            read(tmp_path / "a.png")


def test_what_pillow_would_hand_to_another_program_is_no_image(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n")
    for read in READERS:
        with pytest.raises(DataError, match=r"a\.png: .*it is of no known type"):
            read(tmp_path / "a.png")


@pytest.mark.parametrize("kind", FORMATS)
def test_half_a_file_is_refused(tmp_path: Path, kind: str) -> None:
    content = encoded(kind)
    path = tmp_path / f"half.{kind.lower()}"
    path.write_bytes(content[: len(content) // 2])
    for read in READERS:
        with pytest.raises(DataError, match=rf"half\.{kind.lower()}: cannot be read as an image"):
            read(path)


@pytest.mark.parametrize("kind", FORMATS)
def test_garbage_behind_a_beginning_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"garbage.{kind.lower()}"
    path.write_bytes(encoded(kind)[:12] + np.random.default_rng(1).bytes(500))
    for read in READERS:
        with pytest.raises(DataError, match=rf"garbage\.{kind.lower()}: "):
            read(path)


def test_a_deep_tiff_is_refused_before_it_is_read(tmp_path: Path) -> None:
    """`ImageDepth`, of which Pillow knows nothing, multiplies the pixels."""
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((2, 4, 5, 3), np.uint16), photometric="rgb", volumetric=True)
    deep = sides_in((tmp_path / "a.tif").read_bytes(), struct.pack("<HHI", 32997, 4, 1), struct.pack("<I", 10**9))
    (tmp_path / "a.tif").write_bytes(deep)
    with pytest.raises(DataError, match=r"a\.tif: .*samples are no RGB of 16 bits"):
        read_picture(tmp_path / "a.tif")


# Wherever images are read


def folders(root: Path) -> None:
    for name in ("gt", "lq"):
        (root / name).mkdir()
        NOISE.save(root / name / "a.png")
    (root / "lq" / "a.png").write_bytes(BOMBS["png"])


@pytest.mark.parametrize("config", [FolderData(path="lq"), PairedData(lq="lq", gt="gt")])
def test_a_folder_s_bomb_is_named_when_it_is_opened(tmp_path: Path, config: DataConfig) -> None:
    folders(tmp_path)
    with pytest.raises(DataError, match=rf"{tmp_path / 'lq' / 'a.png'}: more pixels than the limit"):
        open_source(config, tmp_path)


def test_a_data_set_s_bomb_is_named_when_it_is_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf")
    features = datasets.Features({"image": datasets.Image()})
    rows = datasets.Dataset.from_dict({"image": [{"bytes": BOMBS["png"], "path": None}]}, features=features)
    rows.save_to_disk(tmp_path / "faces")
    with pytest.raises(DataError, match=r"huggingface faces\[train\] row 0: more pixels than the limit"):
        open_source(HuggingFaceData(path="faces"), tmp_path)
    with pytest.raises(DataError, match="row 0: more pixels than the limit"):
        read_image(Encoded("row 0", BOMBS["png"]))


def test_bench_restore_names_a_bomb_and_goes_on(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    NOISE.save(tmp_path / "in" / "b.png")
    (tmp_path / "in" / "a.png").write_bytes(BOMBS["png"])
    arguments = ["restore", tmp_path / "in", "--out", tmp_path / "out", "--method", "bicubic", "--scale", "2"]
    result = CliRunner().invoke(app, list(map(str, arguments)))
    assert result.exit_code == 1
    assert "more pixels than the limit" in " ".join(result.output.split())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["b.png"]


@pytest.mark.skipif(sys.platform == "darwin", reason="its file system takes no such names")
def test_a_name_that_is_no_text_is_refused(tmp_path: Path) -> None:
    for name in (b"a.png", b"\xff.png"):
        (tmp_path / os.fsdecode(name)).write_bytes(encoded("PNG"))
    with pytest.raises(DataError, match=r"'\\udcff.png': this name is not valid UTF-8; rename the file"):
        open_source(FolderData(path=str(tmp_path)), tmp_path)
    source = open_source(FolderData(path=str(tmp_path), on_error="skip"), tmp_path)
    assert (list(source.ids), list(source.skipped)) == (["a.png"], [r"\udcff.png"])
