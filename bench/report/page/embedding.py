"""Pictures inside the page: data URIs, as small as they get without loss."""

from __future__ import annotations

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, features

PNG_SIGNATURE = b"\x89PNG"


def embed_image(image: NDArray[np.uint8]) -> str:
    """The URI of an RGB image (H, W, 3) in 0..255, as WebP or PNG, whichever is smaller; both keep every bit."""
    picture = Image.fromarray(image)
    return _smaller(picture, _encode(picture, "PNG"))


def embed_figure(content: bytes) -> str:
    """The URI of a figure, a PNG or an SVG file. An SVG stays a picture of its own, so that the ids of two cannot clash."""
    if not content.startswith(PNG_SIGNATURE):
        return _uri("svg+xml", content)
    with Image.open(io.BytesIO(content)) as picture:
        return _smaller(picture, content)


def figure_width(content: bytes) -> int | None:
    """Pixels of a PNG file, None for an SVG."""
    if not content.startswith(PNG_SIGNATURE):
        return None
    with Image.open(io.BytesIO(content)) as picture:
        return picture.width


def _smaller(picture: Image.Image, png: bytes) -> str:
    if not features.check("webp"):  # Pillow can be built without it
        return _uri("png", png)
    webp = _encode(picture, "WEBP", lossless=True)
    return _uri("webp", webp) if len(webp) < len(png) else _uri("png", png)


def _encode(picture: Image.Image, file_format: str, **options: bool) -> bytes:
    content = io.BytesIO()
    picture.save(content, file_format, **options)
    return content.getvalue()


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
