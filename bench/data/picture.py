"""A user's image: read with everything that a network does not see, written back with it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from bench.data.images import MAX_PIXELS, open_image
from bench.data.png import encode_png
from bench.errors import DataError

LUMA = np.array([0.299, 0.587, 0.114], np.float32)
"""ITU-R BT.601, as Pillow's conversion to grey."""

ORIENTATION = 0x0112
"""The EXIF tag that says how a camera was held; 1 is upright."""

_UPRIGHT = {
    1: (0, False), 2: (0, True), 3: (2, False), 4: (2, True), 5: (3, True), 6: (3, False), 7: (1, True), 8: (1, False),
}  # fmt: skip
"""Quarter turns to the left, then whether to mirror left and right."""


@dataclass(frozen=True)
class Picture:
    """`rgb` (H, W, 3) float32 in [0, 1], upright; a grey image has three equal channels.

    `alpha` (H, W) likewise or None; `grey` and `bits` say how it was stored and is stored again. `profile` is the ICC
    profile, which the pixels keep: nothing is converted to sRGB.
    """

    rgb: NDArray[np.float32]
    alpha: NDArray[np.float32] | None = None
    grey: bool = False
    bits: Literal[8, 16] = 8
    profile: bytes | None = None

    def with_pixels(self, rgb: NDArray[np.float32]) -> Picture:
        """Other pixels, possibly of another size, to which alpha is resampled (bicubic)."""
        return Picture(rgb, _resized(self.alpha, rgb.shape[:2]), self.grey, self.bits, self.profile)


def read_picture(path: Path, max_pixels: int = MAX_PIXELS) -> Picture:
    """The image in a file of any type among `bench.data.images.FORMATS`; 16-bit samples of PNG and TIFF keep their depth.

    EXIF orientation is applied. Colours under transparent pixels are kept as stored. CMYK is converted without its
    profile. Of several frames the first counts. Raises DataError on a missing, damaged or oversized file and on samples
    without a known range.
    """
    with open_image(path, max_pixels) as image:
        profile = image.info.get("icc_profile")
        if image.mode in ("F", "I") or image.mode.startswith("I;16") or _depth(path, image) == 16:
            return _picture(_upright(_wide_samples(path, image), image.getexif().get(ORIENTATION, 1)), profile)
        known = image.mode in ("1", "L", "LA", "P", "PA", "RGB", "RGBA")  # a profile of CMYK does not describe RGB
        return _picture(np.asarray(_plain(ImageOps.exif_transpose(image))), profile if known else None)


def encode_picture(picture: Picture) -> bytes:
    """The picture as a PNG file: clamped to [0, 1], rounded to nearest."""
    colour = (picture.rgb @ LUMA)[..., None] if picture.grey else picture.rgb
    channels = colour if picture.alpha is None else np.concatenate([colour, picture.alpha[..., None]], axis=2)
    unit = np.clip(channels, 0, 1)
    if picture.bits == 8:
        return encode_png((unit * 255 + 0.5).astype(np.uint8), picture.profile)
    return encode_png((unit * 65535 + 0.5).astype(np.uint16), picture.profile)


def _plain(image: Image.Image) -> Image.Image:
    """The image in one of the modes L, LA, RGB, RGBA."""
    grey = image.mode in ("1", "L", "LA")
    if image.has_transparency_data:
        return image.convert("LA" if grey else "RGBA")
    return image.convert("L" if grey else "RGB")


def _picture(samples: NDArray[Any], profile: bytes | None) -> Picture:
    """From (H, W) or (H, W, C) samples of 8 or 16 bits; C is 1 or 3, with alpha 2 or 4."""
    channels = samples if samples.ndim == 3 else samples[..., None]
    bits: Literal[8, 16] = 8 if channels.dtype == np.uint8 else 16
    values = channels.astype(np.float32) / np.float32((1 << bits) - 1)
    grey = channels.shape[2] < 3
    rgb = np.repeat(values[..., :1], 3, axis=2) if grey else np.ascontiguousarray(values[..., :3])
    return Picture(rgb, values[..., -1] if channels.shape[2] in (2, 4) else None, grey, bits, profile)


def _depth(path: Path, image: Image.Image) -> int:
    """Bits per sample as stored; Pillow hands out 8 of 16 where there are several channels."""
    if image.format == "PNG":
        with path.open("rb") as file:
            return file.read(25)[24]
    return int(image.tag_v2.get(258, (8,))[0]) if image.format == "TIFF" else 8  # type: ignore[attr-defined]


def _wide_samples(path: Path, image: Image.Image) -> NDArray[np.uint16]:
    if image.mode == "F":
        raise DataError(f"{path}: floating-point samples have no known range; save it with 8 or 16 bits")
    if image.mode == "I" or image.mode.startswith("I;16"):
        grey = np.asarray(image).astype(np.int64)
        if grey.min() < 0 or grey.max() > 65535:
            raise DataError(f"{path}: 32-bit samples have no known range; save it with 8 or 16 bits")
        return grey.astype(np.uint16)
    return _wide_png(path) if image.format == "PNG" else _wide_tiff(path)


def _wide_png(path: Path) -> NDArray[np.uint16]:
    import torch
    from torchvision.io import ImageReadMode, decode_png

    content = torch.frombuffer(bytearray(path.read_bytes()), dtype=torch.uint8)
    samples: NDArray[np.uint16] = decode_png(content, ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()
    return samples


def _wide_tiff(path: Path) -> NDArray[np.uint16]:
    import tifffile

    page = tifffile.TiffFile(path).pages[0]
    planes = page.axes == "SYX"  # one after the other
    if page.dtype != np.uint16 or not (planes or page.axes == "YXS") or page.shape[0 if planes else 2] not in (3, 4):
        raise DataError(f"{path}: {page.axes} {page.dtype} samples are no RGB of 16 bits; convert it to RGB first")
    samples: NDArray[np.uint16] = page.asarray()
    return np.moveaxis(samples, 0, -1) if planes else samples


def _upright(samples: NDArray[np.uint16], orientation: int) -> NDArray[np.uint16]:
    turns, mirrored = _UPRIGHT.get(orientation, (0, False))
    turned = np.rot90(samples, turns)
    return turned[:, ::-1] if mirrored else turned


def _resized(alpha: NDArray[np.float32] | None, size: tuple[int, ...]) -> NDArray[np.float32] | None:
    if alpha is None or alpha.shape == size:
        return alpha
    height, width = size
    return np.asarray(Image.fromarray(alpha).resize((width, height), Image.Resampling.BICUBIC)).clip(0, 1)
