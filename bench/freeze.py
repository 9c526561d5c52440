"""The `pairs` job: a degraded test set as 8-bit files, for figures, for pages and for whoever wants the same images."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from bench.data.png import write_png
from bench.evaluate import test_images, test_pairs, to_bytes
from bench.execute import Progress, Workplace
from bench.job import Job


def freeze_pairs(job: Job, place: Workplace) -> Mapping[str, Any]:
    """Write `gt/NNNNN.png`, `lq/NNNNN.png` and `ids.json`, the images' names in order.

    Degraded images are multiples of 1/255 (`bench.degradations.degrade`), so these are the ones that restorers are given.
    """
    for name in ("lq", "gt"):
        (place.folder / name).mkdir(exist_ok=True)
    with test_images(job, place) as source:
        pairs = test_pairs(job, source)
        for index in range(len(pairs)):
            for name, image in zip(("lq", "gt"), pairs.pixels(index), strict=True):
                write_png(to_bytes(image), place.folder / name / f"{index:05d}.png")
            place.tell(Progress(job, index + 1, len(pairs)))
    (place.folder / "ids.json").write_text(json.dumps(list(pairs.ids)))
    return {}
