"""PNG with 16 bits per sample, which Pillow writes for grey images only."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}
"""By channels: grey, grey and alpha, RGB, RGB and alpha (PNG specification, section 11.2.1)."""
UP = 2
"""The filter of every row: its difference to the row above."""


def encode_png16(samples: NDArray[np.uint16], profile: bytes | None = None) -> bytes:
    """The file of (H, W, C) samples, C from 1 to 4, with an ICC profile if there is one."""
    height, width, channels = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPE[channels], 0, 0, 0)
    chunks = [_chunk(b"IHDR", header)]
    if profile is not None:
        chunks.append(_chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile)))
    rows = np.frombuffer(samples.astype(">u2").tobytes(), np.uint8).reshape(height, -1)
    filtered = np.diff(rows, axis=0, prepend=np.zeros_like(rows[:1]))  # modulo 256, as uint8 wraps
    lines = np.concatenate([np.full((height, 1), UP, np.uint8), filtered], axis=1)
    return b"".join([SIGNATURE, *chunks, _chunk(b"IDAT", zlib.compress(lines.tobytes())), _chunk(b"IEND", b"")])


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
