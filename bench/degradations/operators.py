"""One frozen model per degradation, told apart by `op`; the docstrings give the maths.

x is the input and y the output, float32 images of shape (H, W, 3) with the range of x nominally [0, 1]. Where
a parameter may be a pair (low, high), a value is drawn uniformly from it for every image.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from io import BytesIO
from typing import Annotated, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from bench.degradations.convolution import convolve
from bench.degradations.motion import kernel_bank

Image: TypeAlias = NDArray[np.float32]


def _check_odd(size: int) -> int:
    if size % 2 == 0:
        raise ValueError(f"{size} is even: a kernel needs a centre pixel, try {size + 1}")
    return size


def _check_order(bounds: float | tuple[float, float]) -> float | tuple[float, float]:
    if isinstance(bounds, tuple) and bounds[0] > bounds[1]:
        raise ValueError(f"the range {list(bounds)} must be [low, high]")
    return bounds


_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_NoiseLevel = Annotated[float, Field(ge=0, le=1, description="for images in [0, 1]: 25/255 is 0.098")]
_Quality = Annotated[int, Field(ge=1, le=100)]
_KernelSize = Annotated[int, Field(ge=1, le=511), AfterValidator(_check_odd)]


class _Operator(BaseModel, ABC):
    """Frozen, unknown fields and numbers that are not finite are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @abstractmethod
    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        """y of x; not clipped."""


class MotionBlur(_Operator):
    """y = k * x: convolution with a kernel k drawn uniformly from a bank; borders mirrored, x[-1] = x[1].

    The bank of `bank` kernels is fixed by (`seed`, `kernel_size`, `bank`); see `kernel_bank`. UGPNet blurs
    with 1,000 kernels of 71 x 71 pixels (Sec. 4); its kernels and its border are not released.
    """

    op: Literal["motion_blur"] = "motion_blur"
    kernel_size: Annotated[_KernelSize, Field(ge=3)] = 71
    bank: Annotated[int, Field(ge=1, le=100_000)] = 1000
    seed: Annotated[int, Field(ge=0)] = 0

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        kernels = kernel_bank(self.kernel_size, self.bank, self.seed)
        return convolve(image, kernels[rng.integers(self.bank)])


class GaussianBlur(_Operator):
    """y = g * x, g(u) proportional to exp(-u' S^-1 u / 2) on a `kernel_size` square, sum 1; borders mirrored.

    S = R diag(sx^2, sy^2) R'. With probability `anisotropic`, sx and sy are drawn separately from `sigma`
    (pixels) and the angle of R uniformly from [-pi, pi); otherwise sx = sy. GFP-GAN: sigma [0.1, 10], size
    41, anisotropic 0.5.
    """

    op: Literal["gaussian_blur"] = "gaussian_blur"
    sigma: Annotated[_Positive | tuple[_Positive, _Positive], AfterValidator(_check_order)]
    kernel_size: _KernelSize = 41
    anisotropic: Annotated[float, Field(ge=0, le=1)] = 0.0

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        across = rng.random() < self.anisotropic
        sigma_x = sigma_y = _draw(self.sigma, rng)
        angle = 0.0
        if across:
            sigma_y, angle = _draw(self.sigma, rng), rng.uniform(-np.pi, np.pi)
        return convolve(image, gaussian_kernel(self.kernel_size, sigma_x, sigma_y, angle))


class GaussianNoise(_Operator):
    """y = x + n, n ~ N(0, sigma^2) independently per pixel and channel; sigma for images in [0, 1].

    UGPNet's denoising task has sigma = 0.3 (Sec. 4).
    """

    op: Literal["gaussian_noise"] = "gaussian_noise"
    sigma: Annotated[_NoiseLevel | tuple[_NoiseLevel, _NoiseLevel], AfterValidator(_check_order)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        sigma = np.float32(_draw(self.sigma, rng))
        noisy: Image = image + sigma * rng.standard_normal(image.shape, dtype=np.float32)
        return noisy


class PoissonNoise(_Operator):
    """y ~ Poisson(k max(x, 0)) / k independently per pixel and channel: `k` photons at white.

    Mean x, variance x / k. UGPNet's denoising task has k = 30 (Sec. 4; that k means this is our reading, the
    paper does not say, nor whether Gaussian noise comes before or after).
    """

    op: Literal["poisson_noise"] = "poisson_noise"
    k: Annotated[_Positive | tuple[_Positive, _Positive], AfterValidator(_check_order)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        k = _draw(self.k, rng)
        photons = rng.poisson(k * np.maximum(image, 0))
        return (photons / k).astype(np.float32)


class Downsample(_Operator):
    """y = x reduced `scale` times by the bicubic kernel (a = -1/2) stretched by `scale`, hence antialiased.

    Equal to MATLAB's `imresize` away from the borders; there the kernel is cut off and renormalised where
    MATLAB mirrors the image. H and W must be multiples of `scale` (ValueError). UGPNet has scale 8 (Sec. 4).
    """

    op: Literal["downsample"] = "downsample"
    scale: Annotated[int, Field(ge=1)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        from PIL import Image as pillow

        height, width = image.shape[:2]
        if height % self.scale or width % self.scale:
            raise ValueError(f"an image of {width} x {height} pixels cannot be reduced {self.scale} times")
        size = (width // self.scale, height // self.scale)
        bicubic = pillow.Resampling.BICUBIC
        channels = [pillow.fromarray(image[..., c]).resize(size, bicubic) for c in range(image.shape[2])]
        return np.stack([np.asarray(channel) for channel in channels], axis=-1)


class Jpeg(_Operator):
    """y = x after JPEG at `quality` (1 to 100, drawn from all integers of a range), chroma halved (4:2:0).

    The input is clipped to [0, 1] and rounded to 8 bits first.
    """

    op: Literal["jpeg"] = "jpeg"
    quality: Annotated[_Quality | tuple[_Quality, _Quality], AfterValidator(_check_order)]

    def apply(self, image: Image, rng: np.random.Generator) -> Image:
        from PIL import Image as pillow

        low, high = self.quality if isinstance(self.quality, tuple) else (self.quality, self.quality)
        pixels = np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
        file = BytesIO()
        pillow.fromarray(pixels).save(file, "JPEG", quality=int(rng.integers(low, high + 1)), subsampling="4:2:0")
        return np.asarray(pillow.open(file), dtype=np.float32) / np.float32(255)


def gaussian_kernel(size: int, sigma_x: float, sigma_y: float, angle: float) -> Image:
    """A sampled Gaussian of sum 1, (size, size); `angle` in radians turns x towards y (downwards)."""
    offsets = np.arange(size) - size // 2
    y, x = np.meshgrid(offsets, offsets, indexing="ij")
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    kernel = np.exp(-0.5 * ((along / sigma_x) ** 2 + (across / sigma_y) ** 2))
    normalised: Image = (kernel / kernel.sum()).astype(np.float32)
    return normalised


def _draw(bounds: float | tuple[float, float], rng: np.random.Generator) -> float:
    return rng.uniform(*bounds) if isinstance(bounds, tuple) else bounds
