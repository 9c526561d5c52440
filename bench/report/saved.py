"""A report on disk: `report.json` and `curves.parquet` beside `rows.parquet`, from which everything can be drawn anew."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import TypeAdapter, ValidationError

from bench.errors import BenchError
from bench.report.imagefiles import ImageFiles
from bench.report.model import COLUMNS, MethodInfo, MetricInfo, Pictures, Provenance, Report
from bench.report.reference import Reference
from bench.store import Store, write_atomically

FORMAT = 1
"""Raise it when older files cannot be read any more."""

ROWS, REPORT, CURVES = "rows.parquet", "report.json", "curves.parquet"


@dataclass(frozen=True)
class SavedPictures:
    """`Pictures` by the folders in the store that they are read from."""

    ids: tuple[str, ...]
    images: tuple[str, ...]
    lq: str
    gt: str
    restored: Mapping[str, str]
    parts: Mapping[str, Mapping[str, str]]
    seed: int | None = None


@dataclass(frozen=True)
class SavedTest:
    """One test set's share of a report."""

    test: str
    metrics: tuple[MetricInfo, ...]
    methods: tuple[MethodInfo, ...]
    identity: Mapping[str, Any]
    pictures: SavedPictures | None = None


@dataclass(frozen=True)
class SavedReport:
    """What `report.json` holds beside its format; the first of `tests` is the main one."""

    name: str
    tests: tuple[SavedTest, ...]
    baseline: str | None = None
    reference: tuple[str, tuple[tuple[str, str, float], ...]] | None = None
    provenance: Provenance | None = None


def save_report(folder: Path, report: Report) -> None:
    """Write what `rows.parquet` does not hold into the run's folder."""
    source = report.reference
    values = None if source is None else tuple((*place, value) for place, value in source.values.items())
    saved = SavedReport(
        report.name, tuple(_saved_test(part) for part in (report, *report.ood)), report.baseline,
        None if source is None or values is None else (source.source, values), report.provenance,
    )  # fmt: skip
    content = {"format": FORMAT, **TypeAdapter(SavedReport).dump_python(saved, mode="json")}
    write_atomically(folder / REPORT, json.dumps(content, indent=1).encode())
    if report.curves is not None:
        curves = io.BytesIO()
        report.curves.to_parquet(curves, index=False)
        write_atomically(folder / CURVES, curves.getvalue())


def load_report(folder: Path) -> Report:
    """The report of a run's folder, results/<suite>/<run>; its pictures are read from the store of these results.

    Raises BenchError naming the folder where there is none, where it is damaged or of another version of the harness.
    """
    saved = _read(folder)
    try:
        rows = pd.read_parquet(folder / ROWS)[list(COLUMNS)].astype({"seed": "int64", "value": "float64"})
        if rows["value"].isna().any():
            raise ValueError("one of its scores is not a number")
        curves = pd.read_parquet(folder / CURVES) if (folder / CURVES).is_file() else None
    except Exception as error:  # pyarrow raises whatever its parsers meet
        raise BenchError(f"{folder}: its rows cannot be read ({error}); run its suite again") from None
    reference = None
    if saved.reference is not None:
        source, values = saved.reference
        reference = Reference(source, {(label, column): value for label, column, value in values})
    store = Store(folder.absolute().parents[1]).folder
    main, *others = (_loaded(saved.name, test, rows, store) for test in saved.tests)
    return replace(
        main, curves=curves, reference=reference, baseline=saved.baseline, provenance=saved.provenance,
        ood=tuple(replace(other, baseline=saved.baseline) for other in others),
    )  # fmt: skip


def _read(folder: Path) -> SavedReport:
    path = folder / REPORT
    try:
        content = json.loads(path.read_text())
        found = content.pop("format")
    except FileNotFoundError:
        why = "not finished, or made by an older version" if (folder / "manifest.json").is_file() else "not a run"
        raise BenchError(f"{folder}: no {REPORT} here: {why}; name a folder results/<suite>/<run>") from None
    except (OSError, ValueError, AttributeError, KeyError, TypeError, RecursionError) as error:
        raise BenchError(f"{path}: damaged ({error}); run its suite again") from None
    if found != FORMAT:
        again = "run its suite again with this one: finished work is kept"
        raise BenchError(
            f"{path}: format {found!r}, of another version of the harness (this one reads {FORMAT}); {again}"
        )
    try:
        saved = TypeAdapter(SavedReport).validate_python(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise BenchError(f"{path}: damaged at {where} ({problem['msg']}); run its suite again") from None
    if not saved.tests:
        raise BenchError(f"{path}: damaged (it names no test set); run its suite again")
    return saved


def _saved_test(part: Report) -> SavedTest:
    return SavedTest(part.test, part.metrics, part.methods, part.identity, _saved_pictures(part.pictures))


def _saved_pictures(pictures: Pictures | None) -> SavedPictures | None:
    if pictures is None:
        return None
    parts = {label: {name: _folder(each) for name, each in inside.items()} for label, inside in pictures.parts.items()}
    restored = {label: _folder(loader) for label, loader in pictures.restored.items()}
    lq, gt = _folder(pictures.lq), _folder(pictures.gt)
    return SavedPictures(pictures.ids, pictures.images, lq, gt, restored, parts, pictures.seed)


def _folder(loader: object) -> str:
    if not isinstance(loader, ImageFiles):
        raise TypeError(f"only images in the store can be saved with a report, not {loader!r}")
    return loader.folder


def _loaded(name: str, saved: SavedTest, rows: pd.DataFrame, store: Path) -> Report:
    own = rows[rows["test"] == saved.test].reset_index(drop=True)
    pictures = None if saved.pictures is None else open_pictures(store, saved.pictures)
    return Report(name, own, saved.metrics, saved.methods, pictures, test=saved.test, identity=saved.identity)


def open_pictures(store: Path, saved: SavedPictures) -> Pictures:
    """Pictures whose loaders read from the folders of the store."""
    places = {name: index for index, name in enumerate(saved.ids)}

    def files(folder: str, what: str) -> ImageFiles:
        return ImageFiles(store, folder, places, what)

    return Pictures(
        saved.images, files(saved.lq, "input"), files(saved.gt, "ground truth"),
        {label: files(folder, label) for label, folder in saved.restored.items()}, saved.seed, ids=saved.ids,
        parts={
            label: {name: files(folder, f"{label} {name}") for name, folder in inside.items()}
            for label, inside in saved.parts.items()
        },
    )  # fmt: skip
