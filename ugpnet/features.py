"""Frozen feature extractors for perceptual losses.

Each maps images (B,3,H,W) in [0, 1] to the activations of its named layers. Weights are arguments: nothing
here reads a file. They are kept as non-persistent buffers, so no optimiser sees them and no checkpoint of a
recipe holds them.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from math import sqrt
from typing import TYPE_CHECKING, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from typing_extensions import Self

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

VGG = Literal["vgg16", "vgg19"]

_VGG_CHANNELS = (64, 128, 256, 512, 512)


def freeze(network: nn.Module) -> None:
    """Turn every parameter and buffer of `network` into a non-persistent buffer, in place; eval mode."""
    for module in network.modules():
        for name, tensor in [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]:
            delattr(module, name)
            module.register_buffer(name, tensor.detach(), persistent=False)
    network.eval()


class FeatureExtractor(nn.Module):
    """Images (B,3,H,W) in [0, 1] -> {layer: activation (B,C,h,w)}, ordered as `layers`; always eval mode."""

    def __init__(self, layers: Sequence[str]) -> None:
        super().__init__()
        self.layers = tuple(layers)

    def train(self, mode: bool = True) -> Self:
        return super().train(False)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        wanted = set(self.layers)
        found = {name: activation for name, activation in self.activations(images) if name in wanted}
        return {name: found[name] for name in self.layers}

    @abstractmethod
    def activations(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Every activation by name, shallow to deep, at least as far as `layers` asks."""


class VGGFeatures(FeatureExtractor):
    """VGG16 or VGG19 activations by name: `conv3_4` before its ReLU, `relu3_4` after it, `pool3`.

    `weights` is torchvision's state dict (`features.N.weight`, `features.N.bias`); what lies beyond the
    deepest layer, the classifier too, is not needed and not kept. Images are normalised by ImageNet's mean
    and standard deviation. Raises ValueError for an unknown layer or missing weights.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, network: VGG, layers: Sequence[str], weights: Mapping[str, Tensor]) -> None:
        super().__init__(layers)
        self.names, self.network = _vgg_layers(network, self.layers)
        prefixed = {f"features.{name}": name for name in self.network.state_dict()}
        if missing := [name for name in prefixed if name not in weights]:
            raise ValueError(f"{network}: weights lack {', '.join(missing)}; give torchvision's state dict")
        state = {name: weights[torchvision] for torchvision, name in prefixed.items()}
        self.network.load_state_dict(state, assign=True)
        freeze(self.network)
        # A quarter faster on CPUs than the default layout, and what tensor cores want.
        self.network.to(memory_format=torch.channels_last)
        self.register_buffer("mean", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def activations(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        features = (images - self.mean) / self.std
        for name, layer in zip(self.names, self.network, strict=True):
            features = layer(features)
            yield name, features


def _vgg_layers(network: VGG, wanted: Sequence[str]) -> tuple[list[str], nn.Sequential]:
    """Names and layers up to the deepest wanted one, at torchvision's indices, without memory for weights."""
    table = list(_vgg_table(network, wanted))
    names = [name for name, _ in table]
    if unknown := [name for name in wanted if name not in names]:
        raise ValueError(f"{network} has no layer {', '.join(unknown)}; it has {', '.join(names)}")
    depth = 1 + max(names.index(name) for name in wanted)
    return names[:depth], nn.Sequential(*(layer for _, layer in table[:depth]))


def _vgg_table(network: VGG, wanted: Sequence[str]) -> Iterator[tuple[str, nn.Module]]:
    convolutions = (2, 2, 3, 3, 3) if network == "vgg16" else (2, 2, 4, 4, 4)
    width = 3
    for block, (count, channels) in enumerate(zip(convolutions, _VGG_CHANNELS, strict=True), start=1):
        for index in range(1, count + 1):
            # On `meta` the constructor draws nothing from torch's global generator.
            yield f"conv{block}_{index}", nn.Conv2d(width, channels, 3, padding=1, device="meta")
            yield f"relu{block}_{index}", nn.ReLU(inplace=f"conv{block}_{index}" not in wanted)
            width = channels
        yield f"pool{block}", nn.MaxPool2d(2)


class RandomFeatures(FeatureExtractor):
    """A fixed random pyramid: `level0` at full resolution, each further level at half of the one before.

    A level is a 3x3 convolution with He-normal weights (Kaiming, arXiv 1502.01852) and a leaky ReLU of slope
    0.2; 2x2 means lie between levels. The weights are a function of `seed` and `channels` alone.
    """

    def __init__(self, seed: int, channels: Sequence[int] = (32, 64, 128, 128),
                 layers: Sequence[str] = ()) -> None:  # fmt: skip
        names = [f"level{index}" for index in range(len(channels))]
        super().__init__(_known(layers, names, "RandomFeatures") or names)
        generator = torch.Generator().manual_seed(seed)
        self.count = len(channels)
        for index, (width, out) in enumerate(zip((3, *channels), channels, strict=False)):
            weight = torch.randn(out, width, 3, 3, generator=generator) * sqrt(2 / (9 * width))
            self.register_buffer(f"weight{index}", weight, persistent=False)

    def activations(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        features = images * 2 - 1
        for index in range(self.count):
            features = features if index == 0 else F.avg_pool2d(features, 2)
            convolved = F.conv2d(features, self.get_buffer(f"weight{index}"), padding=1)
            features = F.leaky_relu(convolved, 0.2)
            yield f"level{index}", features


class DiscriminatorFeatures(FeatureExtractor):
    """Activations of a StyleGAN2 discriminator's body: `conv_body.0` at full size, each further level halved.

    Holds a frozen copy: training the given discriminator does not move the loss. `value_range` is that of the
    images it was trained on: (0, 1) in UGPNet, (-1, 1) in BasicSR's StyleGAN2. Raises ValueError for an
    unknown layer.
    """

    def __init__(self, discriminator: nn.Module, layers: Sequence[str] = (),
                 value_range: tuple[float, float] = (0.0, 1.0)) -> None:  # fmt: skip
        body = deepcopy(cast(nn.Sequential, discriminator.conv_body))
        names = [f"conv_body.{index}" for index in range(len(body))]
        super().__init__(_known(layers, names, "the discriminator") or names)
        depth = 1 + max(names.index(name) for name in self.layers)
        self.body = body[:depth]
        freeze(self.body)
        self.low, self.high = value_range

    def activations(self, images: Tensor) -> Iterator[tuple[str, Tensor]]:
        features = self.low + (self.high - self.low) * images
        for index, block in enumerate(self.body):
            features = block(features)
            yield f"conv_body.{index}", features


def _known(layers: Sequence[str], names: Sequence[str], owner: str) -> list[str]:
    if unknown := [name for name in layers if name not in names]:
        raise ValueError(f"{owner} has no layer {', '.join(unknown)}; it has {', '.join(names)}")
    return list(layers)
