"""How a restoration network steers the generator: hooks at fixed points of the synthesis.

Style convolution 0 works at the start size (4 px); level k = 1, 2, ... works at 4 * 2^k px with convolution 2k - 1,
which up-samples, and convolution 2k. `SynthesisNetwork.synthesize_from` calls the hooks in this order:

| hook                           | point                                              | used by                  |
|--------------------------------|----------------------------------------------------|--------------------------|
| `start()`                      | before everything                                  | UGPNet (`Basecode`)      |
| `before_upsample(level, x, s)` | feature and image before convolution 2 * level - 1 | GLEAN's fusion           |
| `before_activation(conv, x)`   | in each convolution, between noise and activation  | GCFSR                    |
| `after_conv(conv, x)`          | after each convolution                             | GFP-GAN (`SFT`), GLEAN's taps |

Three ways of steering need no hook: GPEN passes its encoder's maps as `noise` to a generator with injection="concat",
GCFSR hands its own start feature to `synthesize_from`, and latents are an argument for all.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


class Condition:
    """No condition; a sub-class overrides what it needs and lives for one forward pass."""

    def start(self) -> Tensor | None:
        """Features (B, C, h, h) in place of what convolution 2k - 1 at that size would give; all before is skipped."""
        return None

    def before_upsample(self, level: int, x: Tensor, skip: Tensor) -> tuple[Tensor, Tensor]:
        """Feature and RGB image that enter level `level`."""
        return x, skip

    def before_activation(self, conv: int, x: Tensor) -> Tensor:
        """Feature that convolution `conv` activates."""
        return x

    def after_conv(self, conv: int, x: Tensor) -> Tensor:
        """Feature that follows convolution `conv`."""
        return x


class Basecode(Condition):
    """A spatial code replaces the generator's coarse feature, and no image is accumulated below it (UGPNet)."""

    def __init__(self, code: Tensor) -> None:
        self.code = code

    def start(self) -> Tensor:
        return self.code


class SFT(Condition):
    """x * scale + shift after the up-sampling convolution of each level (GFP-GAN, arXiv 2101.04061, eq. 4).

    scales, shifts: one (B, C', h, w) map per level. With `half`, C' = C / 2 and the first half of the channels
    passes unchanged.
    """

    def __init__(self, scales: Sequence[Tensor], shifts: Sequence[Tensor], half: bool = True) -> None:
        self.scales, self.shifts, self.half = scales, shifts, half

    def after_conv(self, conv: int, x: Tensor) -> Tensor:
        if conv % 2 == 0:
            return x
        scale, shift = self.scales[conv // 2], self.shifts[conv // 2]
        if not self.half:
            return x * scale + shift
        kept, modulated = x.chunk(2, dim=1)
        return torch.cat([kept, modulated * scale + shift], dim=1)
