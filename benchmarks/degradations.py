"""Motion blur against `cv2.filter2D`: `python -m benchmarks.degradations`.

Both blur the same images with the same kernels of the bank, one thread each, in alternation; the results are
compared first. Target for 71 x 71 kernels on 512 x 512 RGB: at most 0.6 of OpenCV's time.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.degradations.convolution import convolve
from bench.degradations.motion import kernel_bank

Array = NDArray[np.float32]
Blur = Callable[[Array, Array], Array]

CASES = ((64, 15, 200), (128, 31, 100), (256, 31, 50), (512, 71, 40))
"""Image size, kernel size, images."""


def filter2d(image: Array, kernel: Array) -> Array:
    """OpenCV's convolution: it correlates, hence the turned kernel."""
    turned = np.ascontiguousarray(kernel[::-1, ::-1])
    return np.asarray(cv2.filter2D(image, -1, turned, borderType=cv2.BORDER_REFLECT_101), dtype=np.float32)


def seconds(blur: Blur, image: Array, kernel: Array) -> float:
    """Wall time of one call."""
    start = perf_counter()
    blur(image, kernel)
    return perf_counter() - start


def compare(size: int, kernel_size: int, images: int) -> str:
    """One line: median milliseconds per image of both, and the median of the ratios."""
    kernels = kernel_bank(kernel_size, 1000, 0)[:images]
    rng = np.random.default_rng(0)
    times = []
    for kernel in kernels:
        image = rng.random((size, size, 3), dtype=np.float32)
        error = np.abs(convolve(image, kernel) - filter2d(image, kernel)).max()
        if error > 1e-5:
            raise SystemExit(f"results differ by {error:.1e}")
        times.append((seconds(convolve, image, kernel), seconds(filter2d, image, kernel)))
    ours, theirs = (1e3 * median(column) for column in zip(*times, strict=True))
    ratio = median(own / other for own, other in times)
    return f"{size:5d} px  kernel {kernel_size:2d}  ours {ours:7.2f} ms  cv2 {theirs:7.2f} ms  ratio {ratio:.2f}"


if __name__ == "__main__":
    cv2.setNumThreads(1)
    for case in CASES:
        print(compare(*case))
