"""What a report is made of: rows in hand and descriptions of the metrics, methods and pictures they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

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

COLUMNS = ("run", "test", "method", "variant", "seed", "image", "metric", "value", "key")
"""Of `Report.rows`. `test` names the test set; `image` is "" for metrics of a whole set (FID); `key` is the job that
made the value."""

MAIN_TEST = "test"
"""The name of a suite's own test set beside those in `data.ood`."""


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
class Citation:
    """Whose work a row is: the paper's title, where it appeared, the licence of the released code, BibTeX."""

    title: str
    venue: str = ""
    arxiv: str = ""
    code: str = ""
    licence: str = ""
    bibtex: str = ""


@dataclass(frozen=True)
class MethodInfo:
    """A row. `reason`: why it has no numbers (unsupported or failed). `macs`: multiply-adds for one image. `memory`: bytes of
    weights and of the tensors alive at the worst moment of one forward pass. `base`: the row that it changes in one factor,
    `variant` the name of that change (an ablation). `regressor`: the row whose network this one builds on. `libraries`: what
    computed its scores, as `torch 2.11.0`, in all seeds and test sets."""

    label: str
    family: Family
    reason: str | None = None
    parameters: int | None = None
    macs: float | None = None
    memory: int | None = None
    latency: Latency | None = None
    notes: tuple[str, ...] = ()
    base: str | None = None
    variant: str | None = None
    regressor: str | None = None
    citation: Citation | None = None
    libraries: tuple[str, ...] = ()


class Box(NamedTuple):
    """A crop in pixels of the ground truth, from the top left corner."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Pictures:
    """Images of one test set: all of them are `ids`, those for the comparison figure `images`, one row per id.

    `restored` maps method labels to loaders; `parts` does for the images inside a method (`x_reg`, `x_syn`), by label
    and name, where it has any. `lq` may be smaller than `gt`; it is then drawn at the size of
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
    ids: tuple[str, ...] = ()
    parts: Mapping[str, Mapping[str, Loader]] = field(default_factory=dict)


@dataclass(frozen=True)
class Provenance:
    """What a run was made from: the resolved suite as YAML, the environment (nested names and values), every job's label by
    key, and what a reader should be warned of."""

    suite: str
    profile: str
    environment: Mapping[str, Any] = field(default_factory=dict)
    jobs: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """Everything that `write_report` needs, of one test set.

    `rows` has the columns `COLUMNS`, in any order of rows; one (method, seed, image, metric) occurs once.
    `methods` and `metrics` fix the order of the table. `curves`, the training logs, has job, label, step,
    name and value. `baseline` is the row that differences are taken from (variants: from their `base`). `ood` are the same
    methods on other test sets, each a report of its own whose `test` names it. `identity` is what decides the pixels of the
    test set: numbers of reports that differ in it are not comparable.
    """

    name: str
    rows: pd.DataFrame
    metrics: tuple[MetricInfo, ...]
    methods: tuple[MethodInfo, ...]
    pictures: Pictures | None = None
    curves: pd.DataFrame | None = None
    reference: Reference | None = None
    test: str = MAIN_TEST
    baseline: str | None = None
    ood: tuple[Report, ...] = ()
    identity: Mapping[str, Any] = field(default_factory=dict)
    provenance: Provenance | None = None
