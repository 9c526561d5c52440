"""Convolution of an image with one kernel, by FFT."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def convolve(image: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """kernel * image for each channel, same shape; a point becomes the kernel, centred on it.

    image (H, W, C), kernel (K, K) with K odd. Borders are mirrored without repeating the edge (NumPy's
    `reflect`, OpenCV's BORDER_REFLECT_101). Equals `cv2.filter2D` with the kernel turned by 180 degrees to
    about 1e-6.
    """
    from scipy import fft

    kernel = _trim(kernel)
    radius = kernel.shape[0] // 2
    height, width, channels = image.shape
    rows, columns = (fft.next_fast_len(side + 2 * radius, real=True) for side in (height, width))
    transfer = fft.fft(fft.rfft(kernel, columns), rows, axis=0)
    mirrored = np.pad(np.arange(height), (radius, rows - height - radius), mode="reflect")
    planes = np.pad(image.transpose(2, 0, 1), ((0, 0), (0, 0), (radius, columns - width - radius)), mode="reflect")
    convolved = np.empty((channels, height, width), np.float32)
    # One channel at a time stays in the processor's cache. Rows are mirrored once transformed: fewer to do.
    for channel in range(channels):
        spectrum = fft.fft(fft.rfft(planes[channel])[mirrored], axis=0, overwrite_x=True)
        spectrum *= transfer
        # The first 2 * radius rows and columns hold what wraps around.
        inner = fft.ifft(spectrum, axis=0, overwrite_x=True)[2 * radius : 2 * radius + height]
        convolved[channel] = fft.irfft(inner, columns)[:, 2 * radius : 2 * radius + width]
    return convolved.transpose(1, 2, 0)


def _trim(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """The smallest centred square that holds all of the kernel: less to pad and to transform."""
    centre = kernel.shape[0] // 2
    radius = int(np.abs(np.argwhere(kernel) - centre).max(initial=0))
    return kernel[centre - radius : centre + radius + 1, centre - radius : centre + radius + 1]
