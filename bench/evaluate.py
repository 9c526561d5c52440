"""The `restore` and `score` jobs: restorer + pairs -> images, images + metrics -> one row per image and metric."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from PIL import Image
from pydantic import TypeAdapter
from torch import Tensor

from bench import metrics
from bench.data.config import DataConfig
from bench.data.pairs import Pairs
from bench.data.sources import Source, open_source
from bench.degradations import Operator
from bench.device import pick_device
from bench.errors import WeightsError
from bench.execute import Progress, Workplace
from bench.job import Job
from bench.metrics.names import spec as metric_spec
from bench.row import from_spec
from bench.weightfile import load_weights
from methods.base import Prior, Task
from ugpnet.checkpoints import CheckpointMismatch

Image8: Any = NDArray[np.uint8]


def restore_pairs(job: Job, place: Workplace) -> Mapping[str, Any]:
    """Write `images/NNNNN.png`, the restored test images as 8-bit files, and `ids.json`, their names in order."""
    source = _test_source(job, place)
    folder = place.folder / "images"
    folder.mkdir(exist_ok=True)
    for index, image in enumerate(_restored(job, place, source)):
        if not np.isfinite(image).all():
            raise WeightsError(f"{job.label}: image {source.ids[index]!r} came out with values that are not finite")
        Image.fromarray(to_bytes(image)).save(folder / f"{index:05d}.png")
        place.tell(Progress(job, index + 1, len(source.ids)))
    (place.folder / "ids.json").write_text(json.dumps(list(source.ids)))
    return {}


def _restored(job: Job, place: Workplace, source: Source) -> Iterator[NDArray[np.float32]]:
    row = from_spec(job.spec["row"])
    method = row.build(Task(**job.spec["task"]))
    upstream = {need: load_weights(place.input(job, need) / "weights.safetensors") for need in job.inputs}
    device = pick_device()
    try:
        if isinstance(method, Prior):
            generator = torch.Generator().manual_seed(job.spec["seed"])
            for batch in method.sample(upstream, len(source.ids), generator):
                yield from _arrays(batch)
            return
        restorer = method.restorer(upstream).eval().to(device)
    except CheckpointMismatch as error:
        raise WeightsError(f"{job.label}: {error}") from None
    pairs = Pairs(
        source, TypeAdapter(tuple[Operator, ...]).validate_python(job.spec["operators"]), job.spec["data_seed"]
    )
    with torch.no_grad():
        for index in range(len(pairs)):  # one by one: a row's images must not depend on who else is in a batch
            lq, gt = pairs.pair(index)
            restored = restorer(lq[None].to(device))
            if restored.shape[-2:] != gt.shape[-2:]:
                raise WeightsError(
                    f"{job.label}: image {source.ids[index]!r} came out {tuple(restored.shape[-2:])} for {tuple(gt.shape[-2:])}"
                )
            yield from _arrays(restored)


def _arrays(images: Tensor) -> Iterator[NDArray[np.float32]]:
    yield from images.float().cpu().permute(0, 2, 3, 1).numpy()


def to_bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """HWC in [0, 1] as 8-bit: clamped, scaled by 255, rounded to nearest (released UGPNet: clip(255 x + 0.5))."""
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def score_images(job: Job, place: Workplace) -> Mapping[str, Any]:
    """Write `rows.parquet`: image (empty for a metric of the whole set), metric, value."""
    source = _test_source(job, place)
    folder = place.input(job, "restored") / "images"
    names: list[str] = job.spec["metrics"]
    rows = list(_image_rows([name for name in names if not metric_spec(name).of_set], folder, source, job, place))
    for name in (name for name in names if metric_spec(name).of_set):
        value = metrics.create(name).score(read_images(folder), (source.image(i) for i in range(len(source.ids))))  # type: ignore[arg-type]
        rows.append(("", name, value))
    pd.DataFrame(rows, columns=["image", "metric", "value"]).to_parquet(place.folder / "rows.parquet", index=False)
    return {}


def _image_rows(
    names: list[str], folder: Path, source: Source, job: Job, place: Workplace
) -> Iterator[tuple[str, str, float]]:
    measures = {name: metrics.create(name) for name in names}
    for index, restored in enumerate(read_images(folder)):
        truth = source.image(index)
        for name, metric in measures.items():
            yield source.ids[index], name, metric.score(restored, truth)  # type: ignore[arg-type]
        place.tell(Progress(job, index + 1, len(source.ids)))


def read_images(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """The images that a `restore` job wrote, in order."""
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as image:
            yield np.asarray(image)


def _test_source(job: Job, place: Workplace) -> Source:
    config: DataConfig = TypeAdapter(DataConfig).validate_python(job.spec["test"])
    return open_source(config, Path(job.spec["root"]), place.store.cache)
