"""A feature tap: any image-to-image network as a `Regressor`, without touching its code."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.padding import crop_like

IMAGE_CHANNELS = 3


@dataclass(frozen=True)
class _Run:
    """One executed convolution of the probe pass."""

    name: str
    in_channels: int
    out_channels: int
    size: tuple[int, int]

    def upscale(self, image: Tensor) -> int | None:
        """r if this makes the image: 3 channels at its size (r = 1), or 3 r^2 channels at 1/r of it."""
        r = math.isqrt(self.out_channels // IMAGE_CHANNELS)
        makes_channels = r > 0 and self.out_channels == IMAGE_CHANNELS * r * r
        makes_size = (self.size[0] * r, self.size[1] * r) == tuple(image.shape[-2:])
        return r if makes_channels and makes_size else None

    def __str__(self) -> str:
        height, width = self.size
        return f"{self.name or 'network'} ({self.in_channels} -> {self.out_channels}, {height}x{width})"


class Tap(nn.Module):
    """`network` and its last feature map, the input of the image head.

    The head is the last executed `Conv2d` that yields the image on a probe pass over `example` (1, 3, h, w):
    3 channels at the image's size, or 3 r^2 channels at 1/r of it, which a PixelShuffle(r) rearranges. In the
    second case the tapped map has 1/r of the image's size as well and is enlarged bilinearly: its channels
    stay what the head reads, at a resolution that can be fused. `network` must map (B, 3, h, w) to one tensor
    (B, 3, h * scale, w * scale); `example` must be on its device and of a size that it does not pad (64 to
    256, a multiple of 32, is safe). Larger maps of padding networks are later cropped at the right and the
    bottom.

    `residual` says whether the network adds its input to the head's output; None finds out by silencing the
    head. Raises TypeError if the network returns anything but images, ValueError if no convolution qualifies.
    """

    def __init__(self, network: nn.Module, example: Tensor, residual: bool | None = None) -> None:
        super().__init__()
        self.network = network
        with _evaluating(network), torch.no_grad():
            image, runs = _probe(network, example)
            head, self.upscale = _find_head(image, runs)
            self.head = head.name
            self.residual = self._detect_residual(example) if residual is None else residual
        self.feature_channels = head.in_channels
        self.scale = image.shape[-1] // example.shape[-1]

    def forward(self, x: Tensor) -> Tensor:
        """x_reg, what the network returns."""
        restored: Tensor = self.network(x)
        return restored

    def features(self, x: Tensor) -> Tensor:
        """f_reg, (B, feature_channels, h * scale, w * scale); costs a whole forward pass."""
        return self.both(x)[1]

    def both(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """`(x_reg, f_reg)` from one forward pass."""
        tapped: list[Tensor] = []
        handle = self.network.get_submodule(self.head).register_forward_pre_hook(
            lambda _module, args: tapped.append(args[0])
        )
        try:
            restored = self.forward(x)
        finally:
            handle.remove()
        feature = tapped[-1]
        if self.upscale > 1:
            feature = F.interpolate(feature, scale_factor=self.upscale, mode="bilinear", align_corners=False)
        return restored, crop_like(feature, restored)

    def _detect_residual(self, example: Tensor) -> bool:
        """Whether the output still shows the input when the head gives nothing."""
        silence = self.network.get_submodule(self.head).register_forward_hook(
            lambda _module, _args, output: torch.zeros_like(output)
        )
        try:
            shown = self.network(torch.ones_like(example)) - self.network(torch.zeros_like(example))
        finally:
            silence.remove()
        return bool(shown.abs().max() > 0)


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    """Eval mode inside; every sub-module's own mode is given back."""
    training = [module for module in network.modules() if module.training]
    network.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def _probe(network: nn.Module, example: Tensor) -> tuple[Tensor, list[_Run]]:
    """The image that the network makes of `example`, and the convolutions executed for it, in order."""
    runs: list[_Run] = []

    def record(name: str, convolution: nn.Conv2d) -> torch.utils.hooks.RemovableHandle:
        def note(_module: nn.Module, _args: tuple[Tensor, ...], output: Tensor) -> None:
            size = (output.shape[-2], output.shape[-1])
            runs.append(_Run(name, convolution.in_channels, convolution.out_channels, size))

        return convolution.register_forward_hook(note)

    convolutions = {name: module for name, module in network.named_modules() if isinstance(module, nn.Conv2d)}
    handles = [record(name, convolution) for name, convolution in convolutions.items()]
    try:
        image = network(example)
    finally:
        for handle in handles:
            handle.remove()
    _require_image(network, example, image)
    return image, runs


def _require_image(network: nn.Module, example: Tensor, image: object) -> None:
    name = type(network).__name__
    if not isinstance(image, Tensor):
        raise TypeError(f"Tap: {name} returns {type(image).__name__}; wrap it so that it returns the image only")
    height, width = example.shape[-2:]
    scale = image.shape[-1] // width
    if scale < 1 or image.shape != (len(example), IMAGE_CHANNELS, height * scale, width * scale):
        raise TypeError(f"Tap: {name} maps {tuple(example.shape)} to {tuple(image.shape)}, not to scaled images")


def _find_head(image: Tensor, runs: list[_Run]) -> tuple[_Run, int]:
    """The last convolution that makes the image, and its pixel-shuffle factor."""
    for run in reversed(runs):
        if (upscale := run.upscale(image)) is not None:
            return run, upscale
    height, width = image.shape[-2:]
    found = ", ".join(map(str, runs[-4:])) or "no convolution at all"
    raise ValueError(
        f"Tap: no Conv2d makes the {IMAGE_CHANNELS}x{height}x{width} output, directly or by a PixelShuffle. "
        f"Last executed: {found}. If the network pads its input, give an `example` that it does not pad"
    )
