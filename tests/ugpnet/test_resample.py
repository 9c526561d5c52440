from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.signal import upfirdn
from torch.autograd import gradcheck, gradgradcheck
from torch.nn import functional as F

from ugpnet.nn.resample import (
    Resample,
    blur_after_conv,
    blur_before_conv,
    downsample2,
    make_kernel,
    persist_kernels,
    upfirdn2d,
    upsample2,
)


def reference(
    x: NDArray[np.float64], line: list[float], up: int, down: int, pad: tuple[int, int]
) -> NDArray[np.float64]:
    """Axis by axis with scipy: its output has no zeros after the last sample and no padding, so add and crop here."""
    taps = np.array(line) / np.sum(line)
    for axis in (2, 3):
        length = x.shape[axis] * up
        full = upfirdn(taps, x, up=up, axis=axis)
        tail = [(0, 0)] * 4
        tail[axis] = (0, length + len(taps) - 1 - full.shape[axis])
        full = np.pad(full, tail)
        shift = pad[0] - (len(taps) - 1)  # index -shift of the full convolution is the first one wanted
        count = length + sum(pad) - len(taps) + 1
        margin = [(0, 0)] * 4
        margin[axis] = (max(shift, 0), max(count - shift - full.shape[axis], 0) + count)
        x = np.take(np.pad(full, margin), np.arange(max(-shift, 0), max(-shift, 0) + count)[::down], axis=axis)
    return x


@pytest.mark.parametrize("taps", [[1.0, 3.0, 3.0, 1.0], [1.0, 2.0, 5.0], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]])
@pytest.mark.parametrize(("up", "down"), [(1, 1), (2, 1), (1, 2), (3, 2)])
@pytest.mark.parametrize("pad", [(2, 1), (2, 2), (0, 3), (6, 6), (-1, 2)])
def test_matches_scipy(taps: list[float], up: int, down: int, pad: tuple[int, int]) -> None:
    x = torch.randn(2, 3, 7, 9, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    kernel = make_kernel(taps).double()
    ours = upfirdn2d(x, kernel, up, down, pad)
    np.testing.assert_allclose(ours.numpy(), reference(x.numpy(), taps, up, down, pad), atol=1e-6)


@pytest.mark.parametrize("taps", [[1.0, 3.0, 3.0, 1.0], [1.0, 2.0, 1.0], [1.0, 2.0, 3.0, 3.0, 2.0, 1.0]])
def test_sizes_and_brightness(taps: list[float]) -> None:
    flat = torch.ones(1, 2, 16, 16)
    up, down = upsample2(taps)(flat), downsample2(taps)(flat)
    assert up.shape == (1, 2, 32, 32)
    assert down.shape == (1, 2, 8, 8)
    if len(taps) % 2 == 0:  # odd filters weigh even and odd samples differently
        torch.testing.assert_close(up[..., 8:-8, 8:-8], torch.ones(1, 2, 16, 16))
    torch.testing.assert_close(down[..., 3:-3, 3:-3], torch.ones(1, 2, 2, 2))


@pytest.mark.parametrize("taps", [[1.0, 3.0, 3.0, 1.0], [1.0, 2.0, 1.0]])
def test_paddings_around_strided_convolutions(taps: list[float]) -> None:
    x, weight = torch.randn(1, 2, 8, 8), torch.randn(2, 2, 3, 3)
    assert F.conv2d(blur_before_conv(taps, 3)(x), weight, stride=2).shape[-2:] == (4, 4)
    assert blur_after_conv(taps, 3)(F.conv_transpose2d(x, weight, stride=2)).shape[-2:] == (16, 16)


def test_upsampling_keeps_the_image_in_place() -> None:
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    inside = upsample2()(ramp)[0, 0, 8, 4:-4]
    torch.testing.assert_close(inside, torch.arange(32.0)[4:-4] / 2 - 0.25)


@pytest.mark.parametrize("resample", [upsample2(), downsample2(), blur_after_conv((1, 3, 3, 1), 3)])
def test_twice_differentiable(resample: Resample) -> None:
    x = torch.randn(1, 1, 4, 4, dtype=torch.float64, requires_grad=True)

    def bent(x: torch.Tensor) -> torch.Tensor:
        return upfirdn2d(x, resample.kernel.double(), resample.up, resample.down, resample.pad).pow(3)

    assert gradcheck(bent, (x,))
    assert gradgradcheck(bent, (x,))


def test_kernel_enters_the_state_dict_on_request() -> None:
    resample = upsample2()
    assert not resample.state_dict()
    persist_kernels(resample)
    assert resample.state_dict()["kernel"].sum() == 4
