"""An ordinary StyleGAN2 generator's weights for the clean layers of `gfpgan_clean`: scales and gains folded in.

Both compute the same, except at borders: zero insertion, convolution and FIR commute, and bilinear enlargement is zero
insertion with the binomial FIR.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor

from ugpnet.nn.blocks import GAIN


def clean_state(state: Mapping[str, Tensor], lr_mlp: float = 0.01) -> dict[str, Tensor]:
    """The state dict of a `CleanGenerator` from that of a `StyleGAN2Generator` of the same constructor values."""
    clean: dict[str, Tensor] = {}
    for name, value in state.items():
        if name.startswith("style_mlp."):
            clean |= _mlp_entry(name, value, lr_mlp)
        elif name.endswith(".activate.bias"):
            clean[name.replace("activate.bias", "bias")] = value.view(1, -1, 1, 1) * GAIN
        elif name.endswith("modulation.weight"):
            clean[name] = value / math.sqrt(value.shape[1])
        elif name.endswith("modulated_conv.weight"):
            clean[name] = _convolution(name, value)
        elif value.ndim == 1 and name.endswith(".weight"):  # strength of the noise
            clean[name] = value * GAIN
        elif "blur" not in name and "upsample" not in name:
            clean[name] = value
    return clean


def _mlp_entry(name: str, value: Tensor, lr_mlp: float) -> dict[str, Tensor]:
    """Layer i of the equalised MLP, activation inside, is layer 2 i - 1 of the plain one; the gain goes into it."""
    _, index, kind = name.split(".")
    scale = lr_mlp * GAIN / (math.sqrt(value.shape[1]) if kind == "weight" else 1)
    return {f"style_mlp.{2 * int(index) - 1}.{kind}": value * scale}


def _convolution(name: str, weight: Tensor) -> Tensor:
    """Scaled by 1/sqrt(fan in); mirrored where a transposed convolution up-sampled, which turns kernels around."""
    scaled = weight / math.sqrt(weight[0, 0].numel())
    upsamples = name.startswith("style_convs.") and int(name.split(".")[1]) % 2 == 0
    return scaled.flip(-1, -2) if upsamples else scaled
