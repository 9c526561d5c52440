"""Times our metrics against the formulas and libraries of the field: `python -m benchmarks.metrics`.

Each race first compares both results, then runs them alternately, so that a busy machine slows both: the
median of the ratios counts, not the times. SSIM and PSNR race BasicSR's formulas, FID races SciPy's sqrtm and
torch-fidelity.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np
import scipy.linalg
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

from bench.metrics.base import Image
from bench.metrics.distributions import frechet_distance
from bench.metrics.fidelity import Psnr, Ssim, luma
from bench.metrics.swd import Swd

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Race:
    """The same number by two ways; `tolerance` is relative."""

    name: str
    peer: str
    ours: Callable[[], float]
    theirs: Callable[[], float]
    tolerance: float
    repeats: int


@dataclass(frozen=True)
class Result:
    """Median milliseconds of both, the median of their ratios, the relative difference of their values."""

    name: str
    peer: str
    ours_ms: float
    peer_ms: float
    ratio: float
    difference: float


def run(race: Race) -> Result:
    """The race's medians. Raises SystemExit if the two results differ by more than the tolerance."""
    ours, theirs = race.ours(), race.theirs()
    difference = abs(ours - theirs) / abs(theirs)
    if difference > race.tolerance:
        raise SystemExit(f"{race.name}: ours is {ours!r}, {race.peer} is {theirs!r}")
    times = [(_milliseconds(race.ours), _milliseconds(race.theirs)) for _ in range(race.repeats)]
    return Result(
        race.name,
        race.peer,
        median(mine for mine, _ in times),
        median(other for _, other in times),
        median(other / mine for mine, other in times),
        difference,
    )


def races(size: int, dimension: int, repeats: int) -> Iterator[Race]:
    """One race per metric and peer, made when it is asked for."""
    restored, gt = _image_pair(size)
    shape = f"{size}x{size}"
    yield Race(
        f"psnr {shape}", "BasicSR formula", lambda: Psnr().score(restored, gt),
        lambda: basicsr_psnr(restored, gt), 1e-12, repeats,
    )  # fmt: skip
    yield Race(
        f"ssim {shape}", "BasicSR formula", lambda: Ssim().score(restored, gt),
        lambda: float(np.mean([basicsr_ssim(restored[..., c], gt[..., c]) for c in range(3)])), 1e-9, repeats,
    )  # fmt: skip
    yield Race(
        f"ssim_y {shape}", "BasicSR formula", lambda: Ssim("y").score(restored, gt),
        lambda: basicsr_ssim(luma(restored), luma(gt)), 1e-9, repeats,
    )  # fmt: skip
    for n in (500, 2 * dimension):
        x, y = _features(n, dimension)
        name, ours = f"fid N={n} D={dimension}", partial(frechet_distance, x, y)
        yield Race(name, "torch-fidelity", ours, partial(torch_fidelity_distance, x, y), 1e-5, 1)
        yield Race(name, "scipy sqrtm", ours, partial(sqrtm_distance, x, y), 1e-5, 1)


def basicsr_psnr(x: Image, y: Image) -> float:
    """As `calculate_psnr` computes it."""
    mse = np.mean((x.astype(np.float64) - y.astype(np.float64)) ** 2)
    return float(10.0 * np.log10(255.0 * 255.0 / mse))


def basicsr_ssim(x: NDArray[Any], y: NDArray[Any]) -> float:
    """As `calculate_ssim` computes it for one channel: five 2-D filterings with an 11x11 window."""
    kernel = cv2.getGaussianKernel(11, 1.5)
    window = np.outer(kernel, kernel)

    def filtered(plane: NDArray[Any]) -> NDArray[Any]:
        valid: NDArray[Any] = cv2.filter2D(plane, -1, window)[5:-5, 5:-5]
        return valid

    x, y = x.astype(np.float64), y.astype(np.float64)
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    mean_x, mean_y = filtered(x), filtered(y)
    var_x, var_y = filtered(x**2) - mean_x**2, filtered(y**2) - mean_y**2
    covariance = filtered(x * y) - mean_x * mean_y
    contrast = (2 * covariance + c2) / (var_x + var_y + c2)
    return float(((2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1) * contrast).mean())


def torch_fidelity_distance(x: Matrix, y: Matrix) -> float:
    """Eigenvalues of the product of both covariances."""
    statistics = [fid_features_to_statistics(torch.from_numpy(rows)) for rows in (x, y)]
    return float(fid_statistics_to_metric(*statistics, verbose=False)["frechet_inception_distance"])


def sqrtm_distance(x: Matrix, y: Matrix) -> float:
    """The matrix square root of pytorch-fid, BasicSR and pyiqa."""
    shift = x.mean(axis=0) - y.mean(axis=0)
    s_x, s_y = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    root = np.real(np.trace(scipy.linalg.sqrtm(s_x @ s_y)))
    return float(shift @ shift + np.trace(s_x) + np.trace(s_y) - 2 * root)


def swd_seconds() -> dict[str, float]:
    """Seconds of SWD over sets of 64 px images, which have no peer with the same protocol."""
    rng = np.random.default_rng(0)
    restored, gt = ([rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(500)] for _ in range(2))
    return {f"N={n}": _milliseconds(partial(Swd().score, restored[:n], gt[:n])) / 1e3 for n in (64, 500)}


def _milliseconds(action: Callable[[], float]) -> float:
    start = time.perf_counter()
    action()
    return (time.perf_counter() - start) * 1e3


def _image_pair(size: int) -> tuple[Image, Image]:
    rng = np.random.default_rng(0)
    smooth = cv2.GaussianBlur(rng.uniform(0, 255, (size, size, 3)), (0, 0), 1.2)
    noisy = np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255)
    return noisy.round().astype(np.uint8), smooth.round().astype(np.uint8)


def _features(n: int, dimension: int) -> tuple[Matrix, Matrix]:
    rng = np.random.default_rng(0)
    scale = np.linspace(0.05, 1, dimension)  # Inception's features differ in size, too
    return np.abs(rng.normal(0, scale, (n, dimension))), np.abs(rng.normal(0.05, scale, (n, dimension)))


def main() -> None:
    """Prints the table and, with --json, writes the same numbers with the machine's state."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=512, help="image side in pixels")
    parser.add_argument("--dimension", type=int, default=2048, help="feature dimension of FID")
    parser.add_argument("--repeats", type=int, default=15, help="alternations per image metric")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    table = Table("metric", "peer", "ours ms", "peer ms", "ratio", "rel. difference")
    results = []
    for race in races(arguments.size, arguments.dimension, arguments.repeats):
        result = run(race)
        results.append(result)
        table.add_row(
            result.name, result.peer, f"{result.ours_ms:.2f}", f"{result.peer_ms:.2f}",
            f"{result.ratio:.1f}x", f"{result.difference:.1e}",
        )  # fmt: skip
    console, swd = Console(), swd_seconds()
    console.print(table)
    console.print("swd at 64 px: " + ", ".join(f"{n} {seconds:.2f} s" for n, seconds in swd.items()))
    if arguments.json is not None:
        machine = {
            "cpus": os.cpu_count(), "load": os.getloadavg(), "omp_threads": os.environ.get("OMP_NUM_THREADS"),
            "python": platform.python_version(), "numpy": np.__version__, "cv2": cv2.__version__,
        }  # fmt: skip
        report = {"machine": machine, "races": [asdict(result) for result in results], "swd_seconds": swd}
        arguments.json.write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
