"""Spectrally normalised layers in the layout of VQFR's discriminators (after arXiv 1802.05957)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ugpnet.nn.blocks import SLOPE, ConvLayer


class SpectralWeight(nn.Module):
    """A weight divided by an estimate of its largest singular value, and a bias.

    Every call, also in eval mode, improves the estimate by one power iteration and overwrites `weight_u` and
    `weight_v`, as the released code does: two calls give two results. (`torch.nn.utils.spectral_norm` iterates in
    training mode only.)
    """

    def __init__(self, shape: Sequence[int], bias: bool = True) -> None:
        super().__init__()
        rows, columns = shape[0], math.prod(shape[1:])
        bound = 1 / math.sqrt(columns)
        self.bias = nn.Parameter(torch.empty(rows).uniform_(-bound, bound)) if bias else None
        self.weight_u = nn.Parameter(_unit(torch.randn(rows)), requires_grad=False)
        self.weight_v = nn.Parameter(_unit(torch.randn(columns)), requires_grad=False)
        self.weight_bar = nn.Parameter(torch.empty(*shape).uniform_(-bound, bound))

    def forward(self) -> Tensor:
        matrix = self.weight_bar.flatten(1)
        with torch.no_grad():
            self.weight_v.copy_(_unit(matrix.T @ self.weight_u))
            self.weight_u.copy_(_unit(matrix @ self.weight_v))
        # u . (W v), as released; clones, because the next call overwrites u and v while this call's graph may still be alive.
        sigma = self.weight_u.clone() @ (matrix @ self.weight_v.clone())
        return self.weight_bar / sigma


class SpectralConv2d(nn.Module):
    """Convolution with a `SpectralWeight`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, padding
        self.module = SpectralWeight((out_channels, in_channels, kernel_size, kernel_size), bias)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.module(), self.module.bias, self.stride, self.padding)


class SpectralLinear(nn.Module):
    """Linear layer with a `SpectralWeight`."""

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__()
        self.module = SpectralWeight((out_features, in_features))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.module(), self.module.bias)


class SpectralConvLayer(ConvLayer):
    """[filter,] convolution with bias [, leaky ReLU]: no gain, no equalised learning rate."""

    def make_layers(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int,
        padding: int,
        bias: bool,
        activate: bool,
    ) -> list[nn.Module]:
        conv = SpectralConv2d(in_channels, out_channels, kernel_size, stride, padding, bias)
        return [conv, nn.LeakyReLU(SLOPE)] if activate else [conv]


def _unit(x: Tensor) -> Tensor:
    unit: Tensor = x / (torch.linalg.vector_norm(x) + 1e-12)
    return unit
