"""Where ground truth comes from: one frozen model per kind of source, told apart by `source`."""

from __future__ import annotations

import os
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator
from typing_extensions import Self

from bench.data.braces import expand_braces

Split = Literal["train", "val", "test"]
Fit = Literal["resize", "center_crop", "random_crop"]
OnError = Literal["fail", "skip"]

Count = Annotated[int, Field(ge=1)]
Size = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0)]


def _below_root(path: str) -> str:
    """A suite of somebody else says in one place, `data.root`, where it reads: what is below is no way out of it."""
    if os.path.normpath(path).split(os.sep)[0] == os.pardir:
        raise ValueError("leaves `data.root` through `..`; set data.root to a folder above, or give an absolute path")
    return path


DataPath = Annotated[str, AfterValidator(_below_root)]
"""Relative to `data.root` and below it, or absolute."""


class DataModel(BaseModel):
    """Frozen; unknown fields and numbers that are not finite are errors. `ugpnet.recipe.Config` without torch."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class PortraitsData(DataModel):
    """`count` rendered portraits of `size` pixels; the splits of one seed never share an image."""

    source: Literal["portraits"] = "portraits"
    split: Split
    count: Count
    size: Size = 64
    seed: Seed = 0


class PhotosData(DataModel):
    """Square crops of the colour photographs inside scikit-image; `count` None: one of each photograph."""

    source: Literal["photos"] = "photos"
    count: Count | None = None
    size: Size = 64
    seed: Seed = 0


class ChosenData(DataModel):
    """`count` images of a collection from the `start`-th on; `on_error: skip` leaves out those that cannot be used."""

    source: str
    start: Annotated[int, Field(ge=0)] = 0
    count: Count | None = None
    size: Size | None = None
    on_error: OnError = "fail"

    @property
    def cut(self) -> dict[str, int | str | None]:
        """What decides the pixels of a given image."""
        return {"size": self.size}


class FittedData(ChosenData):
    """Images of which `fit` makes squares of `size` pixels."""

    fit: Fit = "resize"

    @property
    def cut(self) -> dict[str, int | str | None]:
        """See `ChosenData`; what is not cut has no fit."""
        return {"size": self.size, "fit": None if self.size is None else self.fit}


class ColumnData(FittedData):
    """Records of which one entry, or column, is an image, and perhaps another the degraded image made from it."""

    lq_column: str | None = None

    @model_validator(mode="after")
    def _pairs_are_cropped(self) -> Self:
        if self.lq_column is not None and self.size is not None and self.fit != "center_crop":
            raise ValueError("pairs (`lq_column`) of a `size` are cropped at the centre; write `fit: center_crop`")
        return self


class FolderData(FittedData):
    """Images of a folder and its sub-folders in natural order: `count` of them from the `start`-th on.

    `on_error` says what becomes of files among these that cannot be used: `skip` leaves them out.

    `size` None keeps each image whole. Otherwise `fit` makes a square of `size` pixels: `resize` takes the
    largest centred square and reduces it (Lanczos), `center_crop` and `random_crop` keep the pixels; a
    random crop is elsewhere in every epoch of a training and always at the same place in evaluation.
    Nothing is ever enlarged: an image with a side below `size` is an error.
    """

    source: Literal["folder"] = "folder"
    path: DataPath


class PairedData(ChosenData):
    """Degraded images made elsewhere (`lq`) beside their ground truth (`gt`), matched by name.

    Each is a folder, or an lmdb of BasicSR's (`*.lmdb`). The lq of `gt/a/b.png` is `lq/a/<template with b>.*`, e.g.
    `template: "{}x4"`. `meta_info` restricts the pairs to the names of a text file, one per line: `b.png`, BasicSR's
    `b.png (480,480,3)`, or `gt name, lq name`. `size` is that of a centred square crop of gt; the crop of lq is smaller
    by the scale between them.
    """

    source: Literal["paired"] = "paired"
    lq: DataPath
    gt: DataPath
    template: str = "{}"
    meta_info: DataPath | None = None

    @field_validator("template")
    @classmethod
    def _has_one_placeholder(cls, template: str) -> str:
        if template.count("{}") != 1 or "/" in template:
            raise ValueError(f"{template!r} must hold '{{}}' once, for the name of the gt image, and no folder")
        return template


class HuggingFaceData(ColumnData):
    """Images of a Hugging Face data set: a column of one of its splits.

    `path` is a folder (written by `save_to_disk`, or with parquet or image files), relative to the suite's, else an id on
    the hub (`owner/name`), of which `revision` is a branch, tag or commit. `split` is written as the library does
    (`test[:500]`). Images are named by `id_column`, else by split and row. `start`, `count`, `size`, `fit` and `on_error`
    are those of `folder`. Where `lq_column` has degraded images made elsewhere, pairs are cropped at the centre as those
    of `paired` are (`fit: center_crop`).
    """

    source: Literal["huggingface"] = "huggingface"
    path: DataPath
    config: str | None = None
    split: str = "train"
    column: str = "image"
    id_column: str | None = None
    revision: str | None = None


def _shards_below_root(path: str) -> str:
    for shard in expand_braces(path):
        _below_root(shard)
    return path


class WebdatasetData(ColumnData):
    """Images in tar files (shards) as the library webdataset writes them: `key.png`, and with it `key.lq.png`, `key.json`.

    `path` is a folder of `*.tar`, or names shards as `faces-{000000..000069}.tar`. `column` is what follows the key in names
    (`png`); by default any image's suffix. Nothing is unpacked, but images are named, ordered and chosen as those of a
    `folder` into which each shard were unpacked under its own name. Where `lq_column` (`lq.png`) has degraded images made
    elsewhere, pairs are cropped at the centre (`fit: center_crop`).
    """

    source: Literal["webdataset"] = "webdataset"
    path: Annotated[DataPath, AfterValidator(_shards_below_root)]
    column: str | None = None


class LmdbData(FittedData):
    """Images in a database as BasicSR writes it: a folder `*.lmdb` with `data.mdb` and `meta_info.txt`.

    They are named, ordered and chosen as those of a `folder`. Pairs are two such databases: `paired`.
    """

    source: Literal["lmdb"] = "lmdb"
    path: DataPath


DataConfig = Annotated[
    PortraitsData | PhotosData | FolderData | PairedData | HuggingFaceData | WebdatasetData | LmdbData,
    Field(discriminator="source"),
]
