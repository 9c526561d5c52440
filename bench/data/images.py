"""One image file to RGB uint8. Whatever is wrong with a file becomes a `DataError` that names it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from bench.data.encoded import Encoded
from bench.errors import DataError

ImageFile: TypeAlias = Path | Encoded

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})

MAX_PIXELS = 89_478_485
"""The one limit of images: a quarter of a gibibyte of RGB, the size from which Pillow too warns of a decompression bomb."""

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "TIFF", "PPM", "GIF")
"""What a file may hold, whatever its suffix says: not those that Pillow hands to other programs (EPS to Ghostscript)."""

_ENDINGS = {"JPEG": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82"}


def read_image(file: ImageFile, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """The image as (H, W, 3) uint8 RGB, upright.

    EXIF orientation is applied. Grey is repeated to three channels. Alpha is dropped, not composited: the
    stored colours under transparent pixels count, as in OpenCV's colour read. 16-bit samples are scaled by
    1/257 (grey) or to their high byte (RGB, by Pillow). CMYK is converted without its colour profile. Of
    several frames the first counts. Raises DataError on a missing, damaged or oversized file and on samples
    without a known range.
    """
    with open_image(file, max_pixels) as image:
        ImageOps.exif_transpose(image, in_place=True)
        return _to_rgb(image, file)


def check_image(file: ImageFile, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """The sides in pixels, the shorter one first (the orientation is not looked at), from the header.

    Raises DataError if the header cannot be read or the file is cut off. A PNG or JPEG that ends as its
    format demands is not decoded, which keeps this fast; a file that does not, or of another format, is.
    """
    with open_image(file, max_pixels) as image:
        if not _is_complete(file, image.format or ""):
            image.load()
        return min(image.size), max(image.size)


@contextmanager
def open_image(file: ImageFile, max_pixels: int = MAX_PIXELS) -> Iterator[Image.Image]:
    """The file opened by Pillow, not yet decoded; whatever goes wrong inside the block is a DataError naming the file."""
    with _named_errors(file, max_pixels), file.open("rb") as stream, Image.open(stream, formats=FORMATS) as image:
        _refuse_bomb(image, file, max_pixels)
        yield image


@contextmanager
def _named_errors(file: ImageFile, max_pixels: int) -> Iterator[None]:
    try:
        yield
    except DataError:
        raise
    except FileNotFoundError:
        raise DataError(f"{file}: no such image; check the path") from None
    except Image.DecompressionBombError:  # Pillow's own limit lies higher
        raise DataError(f"{file}: more pixels than the limit of {max_pixels}; reduce or crop it") from None
    except UnidentifiedImageError:  # Pillow's own message says no more than the path
        found = "it is of no known type" if _size(file) else "it is empty"
        raise DataError(f"{file}: cannot be read as an image ({found}); replace or delete it") from None
    # Pillow's decoders raise whatever their parsers meet: OSError, ValueError, SyntaxError, struct.error, ...
    except Exception as error:
        raise DataError(f"{file}: cannot be read as an image ({error}); replace or delete it") from error


def _refuse_bomb(image: Image.Image, file: ImageFile, max_pixels: int) -> None:
    width, height = image.size
    if width * height > max_pixels:
        raise DataError(f"{file}: {width} x {height} pixels, more than the limit of {max_pixels}; reduce or crop it")


def _size(file: ImageFile) -> int:
    with file.open("rb") as stream:
        return stream.seek(0, os.SEEK_END)


def _is_complete(file: ImageFile, image_format: str) -> bool:
    ending = _ENDINGS.get(image_format)
    if ending is None:
        return False
    with file.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, os.SEEK_END) - len(ending)))
        return stream.read() == ending


def _to_rgb(image: Image.Image, file: ImageFile) -> NDArray[np.uint8]:
    if image.mode == "F":
        raise DataError(f"{file}: floating-point samples have no known range; save it with 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        return _scale_16_bit(np.asarray(image), file)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))  # which would copy it


def _scale_16_bit(samples: NDArray[np.integer], file: ImageFile) -> NDArray[np.uint8]:
    # Pillow before 11.3 reads a 16-bit PNG into its 32-bit mode, hence the test of the values.
    wide = samples.astype(np.int64)
    if wide.min() < 0 or wide.max() > 65535:
        raise DataError(f"{file}: 32-bit samples have no known range; save it with 8 or 16 bits")
    grey = ((wide + 128) // 257).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
