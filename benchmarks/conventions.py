"""How far one set of images moves on PSNR and SSIM by convention alone: `python -m benchmarks.conventions`.

20 embedded portraits of 128 px with Gaussian noise of deviation 25, rounded to 8 bits, scored as different papers and libraries
do. docs/numbers.md quotes the output.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from skimage.metrics import structural_similarity

from bench import metrics
from bench.data.config import PortraitsData
from bench.data.sources import open_source
from bench.metrics.base import Image, SetMetric

IMAGES, SIZE, NOISE = 20, 128, 25
OURS = ("psnr", "psnr_y", "ssim", "ssim_y")
PYIQA = ("pyiqa.ssim", "pyiqa.ssimc")

Pairs = list[tuple[Image, Image]]


def make_pairs() -> Pairs:
    """Noisy and clean images, the same in every run."""
    source = open_source(PortraitsData(source="portraits", split="test", count=IMAGES, size=SIZE), Path())
    rng = np.random.default_rng(0)
    truths = [source.image(i) for i in range(IMAGES)]
    noisy = (np.clip(image + rng.normal(0, NOISE, image.shape), 0, 255) for image in truths)
    return [(image.round().astype(np.uint8), truth) for image, truth in zip(noisy, truths, strict=True)]


def score(pairs: Pairs, names: Sequence[str]) -> Iterator[tuple[float, str]]:
    """Mean scores of the metrics `names`, then what scikit-image and another order of averaging make of the same images."""
    for name in names:
        metric = metrics.create(name)
        assert not isinstance(metric, SetMetric)
        yield float(np.mean([metric.score(*pair) for pair in pairs])), metric.protocol
    default = [structural_similarity(*pair, channel_axis=2) for pair in pairs]
    yield float(np.mean(default)), "ssim as scikit-image's default: uniform window of 7, sample covariance"
    error = np.mean([np.square(restored - 1.0 * truth) for restored, truth in pairs])
    yield float(10 * np.log10(255**2 / error)), "psnr of the squared error averaged over all images first"


if __name__ == "__main__":
    for value, what in score(make_pairs(), OURS + PYIQA):
        print(f"{value:9.4f}  {what}")
