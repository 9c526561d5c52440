"""FIR up- and down-sampling in plain torch (upfirdn), with the paddings of StyleGAN2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BINOMIAL: tuple[float, ...] = (1.0, 3.0, 3.0, 1.0)
"""StyleGAN2's filter taps."""


def make_kernel(taps: Sequence[float], gain: float = 1.0) -> Tensor:
    """The separable filter as a (k, k) float32 kernel whose sum is `gain`."""
    line = torch.tensor(taps, dtype=torch.float32)
    kernel = torch.outer(line, line)
    return kernel * (gain / kernel.sum())


def upfirdn2d(x: Tensor, kernel: Tensor, up: int = 1, down: int = 1, pad: tuple[int, int] = (0, 0)) -> Tensor:
    """Put `up - 1` zeros after every sample, pad with zeros, convolve with `kernel`, keep every `down`-th sample.

    x (B, C, H, W), kernel (k, k); `pad` is (before, after) on both axes and may be negative, which crops. The result
    has (H * up + before + after - k) // down + 1 rows. Twice differentiable in x. Source: upfirdn2d of StyleGAN2
    (arXiv 1912.04958).
    """
    if up > 1:
        return _interpolate(x, kernel, up, pad)[:, :, ::down, ::down]
    before, after = pad
    if before != after or before < 0:
        x, before = F.pad(x, (before, after, before, after)), 0
    return F.conv2d(x, _depthwise(kernel.flip(0, 1), x), stride=down, padding=before, groups=x.shape[1])


def _interpolate(x: Tensor, kernel: Tensor, up: int, pad: tuple[int, int]) -> Tensor:
    """A transposed convolution never multiplies the inserted zeros; its full output is then cropped or padded."""
    full = F.conv_transpose2d(x, _depthwise(kernel, x), stride=up, groups=x.shape[1])
    taps = kernel.shape[0]
    before, after = pad[0] - taps + 1, pad[1] - taps + up
    return F.pad(full, (before, after, before, after))


def _depthwise(kernel: Tensor, x: Tensor) -> Tensor:
    return kernel.to(x.dtype).expand(x.shape[1], 1, *kernel.shape)


class Resample(nn.Module):
    """`upfirdn2d` with a fixed filter. The kernel is a buffer that a state dict holds only after `persist_kernels`."""

    kernel: Tensor

    def __init__(
        self,
        taps: Sequence[float] = BINOMIAL,
        up: int = 1,
        down: int = 1,
        pad: tuple[int, int] = (0, 0),
        gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.up, self.down, self.pad = up, down, pad
        self.register_buffer("kernel", make_kernel(taps, gain), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return upfirdn2d(x, self.kernel, self.up, self.down, self.pad)

    def extra_repr(self) -> str:
        return f"taps={self.kernel.shape[0]}, up={self.up}, down={self.down}, pad={self.pad}"


def upsample2(taps: Sequence[float] = BINOMIAL) -> Resample:
    """(B, C, H, W) -> (B, C, 2H, 2W)."""
    spare = len(taps) - 2
    return Resample(taps, up=2, pad=((spare + 1) // 2 + 1, spare // 2), gain=4)


def downsample2(taps: Sequence[float] = BINOMIAL) -> Resample:
    """(B, C, 2H, 2W) -> (B, C, H, W)."""
    spare = len(taps) - 2
    return Resample(taps, down=2, pad=((spare + 1) // 2, spare // 2))


def blur_before_conv(taps: Sequence[float], kernel_size: int) -> Resample:
    """The filter before an unpadded convolution of stride 2: with it (2H, 2W) becomes (H, W)."""
    spare = len(taps) - 2 + kernel_size - 1
    return Resample(taps, pad=((spare + 1) // 2, spare // 2))


def blur_after_conv(taps: Sequence[float], kernel_size: int) -> Resample:
    """The filter after an unpadded transposed convolution of stride 2: with it (H, W) becomes (2H, 2W)."""
    spare = len(taps) - 2 - (kernel_size - 1)
    return Resample(taps, pad=((spare + 1) // 2 + 1, spare // 2 + 1), gain=4)


def persist_kernels(module: nn.Module) -> None:
    """Make every filter below `module` an entry of its state dict, as GPEN and mmagic have it (BasicSR has not)."""
    for resample in module.modules():
        if isinstance(resample, Resample):
            resample.register_buffer("kernel", resample.kernel)
