"""ESRGAN's VGG-style discriminator. State-dict keys are BasicSR's `VGGStyleDiscriminator`."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn import functional as F

_SLOPE = 0.2
_FINAL_SIDE = 4
_HIDDEN = 100


class VGGDiscriminator(nn.Module):
    """Image (B, num_in_ch, S, S) in [0, 1] -> logit (B, 1), S = input_size (arXiv 1809.00219).

    Level k halves the side: a 3x3 convolution, then a 4x4 one of stride 2, `num_feat * 2^k` channels up to 8
    `num_feat`, each with batch normalisation but the first. BasicSR knows S = 128 (ESRGAN) and 256; any power
    of two from 8 on works. Raises ValueError for another `input_size` or for images of another size.
    """

    def __init__(self, num_in_ch: int = 3, num_feat: int = 64, input_size: int = 128) -> None:
        super().__init__()
        self.input_size = input_size
        self.levels = _levels(input_size)
        width = num_in_ch
        for level in range(self.levels):
            out = num_feat * min(2**level, 8)
            self._add(f"{level}_0", nn.Conv2d(width, out, 3, padding=1, bias=level == 0), normalise=level > 0)
            self._add(f"{level}_1", nn.Conv2d(out, out, 4, stride=2, padding=1, bias=False), normalise=True)
            width = out
        self.linear1 = nn.Linear(width * _FINAL_SIDE**2, _HIDDEN)
        self.linear2 = nn.Linear(_HIDDEN, 1)

    def _add(self, name: str, convolution: nn.Conv2d, normalise: bool) -> None:
        self.add_module(f"conv{name}", convolution)
        if normalise:
            self.add_module(f"bn{name}", nn.BatchNorm2d(convolution.out_channels))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[-2:] != (self.input_size, self.input_size):
            raise ValueError(f"images of {x.shape[-2]}x{x.shape[-1]}, discriminator for {self.input_size}")
        for layers in self._blocks():
            for layer in layers:
                x = layer(x)
            x = F.leaky_relu(x, _SLOPE)
        logit: Tensor = self.linear2(F.leaky_relu(self.linear1(x.flatten(1)), _SLOPE))
        return logit

    def _blocks(self) -> Iterator[list[nn.Module]]:
        """Each convolution with its normalisation, if it has one."""
        children = dict(self.named_children())
        for name in (f"{level}_{half}" for level in range(self.levels) for half in range(2)):
            yield [children[key] for key in (f"conv{name}", f"bn{name}") if key in children]


def _levels(input_size: int) -> int:
    levels = (input_size // _FINAL_SIDE).bit_length() - 1
    if levels < 1 or input_size != _FINAL_SIDE << levels:
        raise ValueError(f"input_size {input_size} is not a power of two from 8 on")
    return levels
