"""DiffAugment (Zhao et al., NeurIPS 2020, arXiv 2006.10738): transforms of what a discriminator sees where images are few.

Real and generated images go through the same kinds of transforms, so that a discriminator cannot learn the few real ones by
heart; the generator has its gradient through them, and makes images without their traces.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from ugpnet.settings import Augmentation

BRIGHTNESS = (-0.5, 0.5)
SATURATION = (0.0, 2.0)
CONTRAST = (0.5, 1.5)
SHIFT = 1 / 8
CUTOUT = 1 / 2


def diff_augment(images: Tensor, augment: Sequence[Augmentation], generator: torch.Generator) -> Tensor:
    """`images` (B,3,H,W), nominally in [-1, 1], after the named transforms in their order; without any, as they are.

    `color`: brightness + U(-0.5, 0.5), saturation x U(0, 2), contrast x U(0.5, 1.5); nothing is clamped. `translation`: whole
    pixels, up to H/8 and W/8, zeros (grey) outside. `cutout`: zeros in a rectangle of H/2 by W/2 whose centre is anywhere in
    the image. Every image has draws of its own. Differentiable any number of times.
    """
    for name in augment:
        images = _TRANSFORMS[name](images, generator)
    return images


def adjust_color(images: Tensor, brightness: Tensor, saturation: Tensor, contrast: Tensor) -> Tensor:
    """`images` (B,3,H,W) brightened, then away from their pixels' greys, then from their mean; factors (B,1,1,1), 0, 1 and 1 to
    change nothing.
    """
    images = images + brightness
    images = torch.lerp(images.mean(1, keepdim=True), images, saturation)
    return torch.lerp(images.mean((1, 2, 3), keepdim=True), images, contrast)


def translate(images: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """`images` (B,C,H,W), each moved by its own whole number of pixels, `down` (B,) and `right` (B,); zeros move in."""
    return _shift(_shift(images, down, dim=2), right, dim=3)


def cut_out(images: Tensor, top: Tensor, left: Tensor, height: int, width: int) -> Tensor:
    """`images` (B,C,H,W) with zeros in a rectangle that begins at `top` (B,) and `left` (B,) and may reach beyond the image."""
    rows = _covered(images.shape[2], top, height)
    columns = _covered(images.shape[3], left, width)
    return images.masked_fill(rows[:, None, :, None] & columns[:, None, None, :], 0)


def _shift(images: Tensor, by: Tensor, dim: int) -> Tensor:
    size = images.shape[dim]
    shape = [len(images), 1, 1, 1]
    shape[dim] = size
    source = (torch.arange(size, device=by.device) - by[:, None]).view(shape)
    inside = (source >= 0) & (source < size)
    # grid_sample would do it at once, but cannot be differentiated twice, as R1 needs.
    return torch.take_along_dim(images, source.clamp(0, size - 1), dim).masked_fill(~inside, 0)


def _covered(size: int, start: Tensor, length: int) -> Tensor:
    """(B, size): whether a place is one of the `length` from `start` (B,) on."""
    offset = torch.arange(size, device=start.device) - start[:, None]
    return (offset >= 0) & (offset < length)


def _recolor(images: Tensor, generator: torch.Generator) -> Tensor:
    ranges = (BRIGHTNESS, SATURATION, CONTRAST)
    brightness, saturation, contrast = (_uniform(images, low, high, generator) for low, high in ranges)
    return adjust_color(images, brightness, saturation, contrast)


def _move(images: Tensor, generator: torch.Generator) -> Tensor:
    down, right = (_whole(images, -round(size * SHIFT), round(size * SHIFT), generator) for size in images.shape[2:])
    return translate(images, down, right)


def _hide(images: Tensor, generator: torch.Generator) -> Tensor:
    """The rectangle's middle is a pixel or, where its side is even, between two or on the edge: each as likely as another."""
    sizes = images.shape[2:]
    sides = [round(size * CUTOUT) for size in sizes]
    top, left = (
        _whole(images, -(side // 2), size - (side + 1) // 2, generator) for size, side in zip(sizes, sides, strict=True)
    )
    return cut_out(images, top, left, *sides)


def _uniform(images: Tensor, low: float, high: float, generator: torch.Generator) -> Tensor:
    """A number in [low, high) for every image, (B,1,1,1), drawn where the generator lives."""
    drawn = torch.rand(len(images), 1, 1, 1, generator=generator, device=generator.device)
    return (low + (high - low) * drawn).to(images)


def _whole(images: Tensor, least: int, most: int, generator: torch.Generator) -> Tensor:
    """A whole number in [least, most] for every image, (B,), drawn where the generator lives."""
    drawn = torch.randint(least, most + 1, (len(images),), generator=generator, device=generator.device)
    return drawn.to(images.device)


_TRANSFORMS: Mapping[Augmentation, Callable[[Tensor, torch.Generator], Tensor]] = {
    "color": _recolor,
    "translation": _move,
    "cutout": _hide,
}
