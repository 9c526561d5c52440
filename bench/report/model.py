"""What a report is made of: rows in hand and descriptions of the metrics, methods and pictures they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from bench.report.reference import Reference

Direction: TypeAlias = Literal["up", "down"]
"""`up`: larger is better (PSNR). `down`: smaller is better (LPIPS)."""

Family: TypeAlias = Literal["input", "regression", "generative", "hybrid"]
"""The paper's categories; `input` rows are shown, but are never best or second best."""

Loader: TypeAlias = "Callable[[str], NDArray[np.uint8]]"
"""Image id -> (H, W, 3) RGB in 0..255."""

COLUMNS = ("run", "method", "variant", "seed", "image", "metric", "value", "key")
"""Of `Report.rows`. `image` is "" for metrics of a whole set (FID); `key` is the job that made the value."""


@dataclass(frozen=True)
class MetricInfo:
    """A column. `protocol` fixes what the number means (colour, crop...); `unavailable` is why it is n/a."""

    name: str
    label: str
    direction: Direction
    decimals: int
    protocol: str
    unavailable: str | None = None


@dataclass(frozen=True)
class Latency:
    """Milliseconds per image: median, 10th and 90th percentile, on the device of that label."""

    median: float
    p10: float
    p90: float
    device: str


@dataclass(frozen=True)
class MethodInfo:
    """A row. `reason`: why it has no numbers (unsupported or failed). `macs`: multiply-adds for one image. `memory`: bytes of
    weights and of the tensors alive at the worst moment of one forward pass."""

    label: str
    family: Family
    reason: str | None = None
    parameters: int | None = None
    macs: float | None = None
    memory: int | None = None
    latency: Latency | None = None
    notes: tuple[str, ...] = ()


class Box(NamedTuple):
    """A crop in pixels of the ground truth, from the top left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Pictures:
    """Images for the comparison figure, one row per id in `images`.

    `restored` maps method labels to loaders. `lq` may be smaller than `gt`; it is then drawn at the size of
    `gt`. `seed` is the training seed that made the pictures, whose scores are printed below them (None: the
    smallest). `boxes` gives up to three zoomed crops by image id; for other images they are
    chosen (see `bench.report.crops`).
    """

    images: tuple[str, ...]
    lq: Loader
    gt: Loader
    restored: Mapping[str, Loader]
    seed: int | None = None
    boxes: Mapping[str, tuple[Box, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Report:
    """Everything that `write_report` needs.

    `rows` has the columns `COLUMNS`, in any order of rows; one (method, seed, image, metric) occurs once.
    `methods` and `metrics` fix the order of the table. `curves`, the training logs, has job, label, step,
    name and value.
    """

    name: str
    rows: pd.DataFrame
    metrics: tuple[MetricInfo, ...]
    methods: tuple[MethodInfo, ...]
    pictures: Pictures | None = None
    curves: pd.DataFrame | None = None
    reference: Reference | None = None
