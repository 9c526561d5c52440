"""LPIPS 0.1 (Zhang et al. 2018): the linear heads of the `lpips` package on a backbone from a local file."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, Literal

import lpips
import torch
from torch import Tensor, nn

from bench import weights
from bench.digest import known_digest
from bench.errors import WeightsError
from bench.metrics.base import Image, check_pair, finite
from bench.metrics.iqa import unit_tensor

Net = Literal["alex", "vgg"]

BACKBONE: Mapping[Net, str] = {"alex": "alexnet", "vgg": "vgg16"}


class Lpips:
    """`lpips` (AlexNet, the field's default) or `lpips_vgg`; RGB in [-1, 1], no resizing.

    `backbone` is torchvision's state dict of the classifier, `digest` the sha256 that the protocol quotes.
    """

    higher_is_better = False

    def __init__(self, net: Net, backbone: Mapping[str, Tensor], digest: str, device: str = "cpu") -> None:
        self.name = "lpips" if net == "alex" else "lpips_vgg"
        self.protocol = f"lpips{version('lpips')}/{net}0.1/rgb/8bit/v1/weights:{digest[:8]}"
        self._device = torch.device(device)
        self._model = distance(net, backbone).to(self._device)

    @classmethod
    def from_files(cls, net: Net, device: str = "cpu") -> Lpips:
        """With the backbone on this machine. Raises Unavailable or WeightsError as `weights.verify` does."""
        name = BACKBONE[net]
        return cls(net, weights.load(name), known_digest(weights.locate(name)), device)

    def score(self, restored: Image, gt: Image) -> float:
        check_pair(self.name, restored, gt)
        x, y = (unit_tensor(image, self._device) * 2 - 1 for image in (restored, gt))
        with torch.inference_mode():
            return finite(self.name, float(self._model(x, y)))


def distance(net: Net, backbone: Mapping[str, Tensor]) -> nn.Module:
    """The LPIPS network in evaluation mode: two NCHW tensors in [-1, 1] -> (N, 1, 1, 1).

    Raises WeightsError if `backbone` lacks a layer or has one of another shape.
    """
    with warnings.catch_warnings(), torch.random.fork_rng(devices=[]):
        # lpips still calls torchvision by its deprecated names; the random trunk it makes is replaced below.
        warnings.simplefilter("ignore")
        model: Any = lpips.LPIPS(net=net, version="0.1", pnet_rand=True, verbose=False)
    # lpips files torchvision's `features.N.*` under `sliceK.N.*`.
    state = {key: f"features.{key.split('.', 1)[1]}" for key in model.net.state_dict()}
    try:
        model.net.load_state_dict({key: backbone[source] for key, source in state.items()})
    except (KeyError, RuntimeError) as error:
        raise WeightsError(f"lpips: this is not torchvision's {BACKBONE[net]}: {error}") from error
    network: nn.Module = model.eval().requires_grad_(False)
    return network
