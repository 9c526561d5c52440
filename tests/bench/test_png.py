"""PNG files as Pillow reads them."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bench.data.png import encode_png, write_png

MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


@given(st.integers(1, 9), st.integers(1, 9), st.sampled_from(sorted(MODES)), st.integers(0, 2**16))
def test_pillow_reads_what_was_written(height: int, width: int, channels: int, seed: int) -> None:
    samples = np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)
    with Image.open(io.BytesIO(encode_png(samples, profile=b"of a camera"))) as image:
        assert (image.mode, image.info["icc_profile"]) == (MODES[channels], b"of a camera")
        np.testing.assert_array_equal(np.asarray(image).reshape(samples.shape), samples)


@pytest.mark.parametrize("layout", ["channels first", "every other"])
def test_views_are_written_as_they_look(tmp_path: Path, layout: str) -> None:
    planes = np.arange(3 * 16 * 20, dtype=np.uint32).reshape(3, 16, 20).astype(np.uint8)
    image = planes.transpose(1, 2, 0)[:: 2 if layout == "every other" else 1]
    write_png(image, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as written:
        np.testing.assert_array_equal(np.asarray(written), image)


def test_a_smooth_image_is_small_and_a_damaged_one_is_noticed(tmp_path: Path) -> None:
    ramp = np.add.outer(np.arange(200), np.arange(200))[..., None].repeat(3, 2).astype(np.uint8)
    content = encode_png(ramp)
    assert len(content) < ramp.size / 50
    (tmp_path / "cut.png").write_bytes(content[:-40])
    with pytest.raises(OSError, match="truncated"), Image.open(tmp_path / "cut.png") as image:
        image.load()
