"""The `restore` and `score` jobs: restorer + pairs -> images, images + metrics -> one row per image and metric."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
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
from bench.data.png import write_png
from bench.data.sources import Source, open_source
from bench.data.unchanged import unchanged
from bench.degradations import Operator
from bench.device import pick_device
from bench.errors import BenchError, WeightsError
from bench.execute import Progress, Workplace
from bench.job import Job
from bench.metrics.names import spec as metric_spec
from bench.row import from_spec
from bench.weightfile import load_weights
from methods.base import Method, Prior, Task
from ugpnet.checkpoints import CheckpointMismatch

Image8: Any = NDArray[np.uint8]


def restore_pairs(job: Job, place: Workplace) -> Mapping[str, Any]:
    """Write `images/NNNNN.png`, the restored test images as 8-bit files, and `ids.json`, their names in order.

    The images inside a method that has any (`x_reg`, `x_syn`) go to `parts/<name>/NNNNN.png`.
    """
    with test_images(job, place) as source:
        ids = source.ids
        for index, images in enumerate(_restored(job, place, source)):
            for folder, image in images.items():
                if not np.isfinite(image).all():
                    raise WeightsError(f"{job.label}: image {ids[index]!r} came out with values that are not finite")
                path = place.folder / folder / f"{index:05d}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                write_png(to_bytes(image), path)
            place.tell(Progress(job, index + 1, len(ids)))
    (place.folder / "ids.json").write_text(json.dumps(list(ids)))
    return {}


def _restored(job: Job, place: Workplace, source: Source) -> Iterator[Mapping[str, NDArray[np.float32]]]:
    """For each test image the restored one and its parts, by the folder that they go to."""
    method = from_spec(job.spec["row"]).build(Task(**job.spec["task"]))
    upstream = {need: load_weights(place.input(job, need) / "weights.safetensors") for need in job.inputs}
    try:
        if isinstance(method, Prior):
            generator = torch.Generator().manual_seed(job.spec["seed"])
            for batch in method.sample(upstream, len(source.ids), generator):
                yield from ({"images": array} for array in _arrays(batch))
            return
        restorer = method.restorer(upstream).eval().to(pick_device())
    except CheckpointMismatch as error:
        raise WeightsError(f"{job.label}: {error}") from None
    pairs = test_pairs(job, source)
    with torch.no_grad():
        for index in range(len(pairs)):  # one by one: a row's images must not depend on who else is in a batch
            lq, gt = pairs.pair(index)
            yield _restore_one(method, restorer, lq, gt.shape[-2:], f"{job.label}: image {pairs.ids[index]!r}")


def _restore_one(
    method: Method, restorer: Any, lq: Tensor, size: torch.Size, what: str
) -> dict[str, NDArray[np.float32]]:
    image = lq[None].to(pick_device())
    if method.parts:
        inside = restorer.parts(image)
        made = {"images": inside.x_hat, **{f"parts/{name}": getattr(inside, name) for name in method.parts}}
    else:
        made = {"images": restorer(image)}
    if made["images"].shape[-2:] != size:
        raise WeightsError(f"{what} came out {tuple(made['images'].shape[-2:])} for {tuple(size)}")
    return {folder: next(_arrays(each)) for folder, each in made.items()}


def _arrays(images: Tensor) -> Iterator[NDArray[np.float32]]:
    yield from images.float().cpu().permute(0, 2, 3, 1).numpy()


def to_bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    """HWC in [0, 1] as 8-bit: clamped, scaled by 255, rounded to nearest (released UGPNet: clip(255 x + 0.5))."""
    return (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)


def score_images(job: Job, place: Workplace) -> Mapping[str, Any]:
    """Write `rows.parquet`: image (empty for a metric of the whole set), metric, value."""
    folder = place.input(job, "restored") / "images"
    names: list[str] = job.spec["metrics"]
    with test_images(job, place) as source:
        rows = list(_image_rows([name for name in names if not metric_spec(name).of_set], folder, source, job, place))
        for name in (name for name in names if metric_spec(name).of_set):
            value = metrics.create(name).score(read_images(folder), (source.image(i) for i in range(len(source.ids))))  # type: ignore[arg-type]
            rows.append(("", name, checked_score(name, value)))
    pd.DataFrame(rows, columns=["image", "metric", "value"]).to_parquet(place.folder / "rows.parquet", index=False)
    return {}


def _image_rows(
    names: list[str], folder: Path, source: Source, job: Job, place: Workplace
) -> Iterator[tuple[str, str, float]]:
    measures = {name: metrics.create(name) for name in names}
    for index, restored in enumerate(read_images(folder)):
        truth = source.image(index)
        for name, metric in measures.items():
            value = metric.score(restored, truth)  # type: ignore[arg-type]
            yield source.ids[index], name, checked_score(name, value, source.ids[index])
        place.tell(Progress(job, index + 1, len(source.ids)))


def checked_score(metric: str, value: float, image: str = "") -> float:
    """`value` as a number, which a mean may count: finite, or infinitely good as the PSNR of equal images is.

    Raises BenchError with the metric and the image otherwise, as metrics of the user's own may return anything.
    """
    score = float(value)
    if math.isfinite(score) or score == (math.inf if metric_spec(metric).higher_is_better else -math.inf):
        return score
    raise BenchError(
        f"{metric}: the score{f' of image {image!r}' if image else ''} is {score}, which no mean can count"
    )


def read_images(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """The images that a `restore` job wrote, in order."""
    for path in sorted(folder.glob("*.png")):
        with Image.open(path) as image:
            yield np.asarray(image)


def test_pairs(job: Job, source: Source) -> Pairs:
    """The degraded test images and their ground truth."""
    operators = TypeAdapter(tuple[Operator, ...]).validate_python(job.spec["operators"])
    return Pairs(source, operators, job.spec["data_seed"])


def test_images(job: Job, place: Workplace) -> AbstractContextManager[Source]:
    """The ground truth of the job's test set, which may not change inside the block."""
    config: DataConfig = TypeAdapter(DataConfig).validate_python(job.spec["test"])
    source = open_source(config, Path(job.spec["root"]), place.store.cache)
    return unchanged(source, job.spec["fingerprint"], job.label)
