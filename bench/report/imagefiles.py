"""Images that jobs left in the store, found by the image's id."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bench.errors import StoreError
from bench.report.model import Pictures
from bench.store import Store, is_intact


@dataclass(frozen=True)
class ImageFiles:
    """A loader: the images in `folder` of the store, `NNNNN.png` in the order of `places`; `what` they are, for messages."""

    store: Path
    folder: str
    places: Mapping[str, int] = field(repr=False)
    what: str

    def path(self, name: str) -> Path:
        """Where image `name` lies."""
        return self.store / self.folder / f"{self.places[name]:05d}.png"

    def __call__(self, name: str) -> NDArray[np.uint8]:
        """Image `name` (H, W, 3). Raises StoreError naming the row, the image and the file where it is gone or damaged."""
        path = self.path(name)
        try:
            with Image.open(path) as image:
                pixels = np.asarray(image.convert("RGB"))
            if self._files is not None and not is_intact(path, self._files.get(str(path.relative_to(self._job)))):
                raise OSError("its digest is not the recorded one")
        except (OSError, UnidentifiedImageError) as error:
            why = "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error})"
            remedy = f"`bench store check --repair {self._job.name}`, then run the suite again"
            raise StoreError(f"{self.what}: the file of image {name!r}, {path}, {why}; {remedy}") from None
        return pixels

    @property
    def _job(self) -> Path:
        return self.store / self.folder.split("/")[0]

    @cached_property
    def _files(self) -> Mapping[str, str] | None:
        """Digests by name; None where the record is damaged, which costs no picture: the next run does the job again."""
        try:
            files: Mapping[str, str] = Store(self.store.parent).record(self._job.name)["files"]
        except StoreError:
            return None
        return files


def missing_images(pictures: Pictures) -> list[str]:
    """Which files of images are gone, in words."""
    inside = [loader for parts in pictures.parts.values() for loader in parts.values()]
    loaders = [
        each
        for each in (pictures.lq, pictures.gt, *pictures.restored.values(), *inside)
        if isinstance(each, ImageFiles)
    ]
    return [
        f"{loader.what}: image {name!r} is missing ({loader.path(name)})"
        for loader in loaders for name in pictures.ids if not loader.path(name).is_file()
    ]  # fmt: skip
