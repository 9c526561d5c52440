"""Any metric of pyiqa behind our protocol, never downloading and drawing no random number from outside."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version

import numpy as np
import torch
from torch import Tensor, nn

from bench import weights
from bench.digest import known_digest
from bench.errors import DataError, Unavailable, WeightsError
from bench.metrics import names
from bench.metrics.base import Image, check_pair, finite
from bench.metrics.offline import offline


class PyiqaMetric:
    """A pyiqa metric by our name (`ms_ssim`, `pyiqa.musiq`), on RGB in [0, 1].

    Raises Unavailable where its weights are not on this machine. Metrics that crop at random get the same
    crops for the same image every time, whatever came before.
    """

    def __init__(self, name: str, device: str = "cpu") -> None:
        self.name = name
        self.higher_is_better = names.spec(name).higher_is_better
        self._device = torch.device(device)
        self._model = _build(name, self._device)
        self.protocol = _protocol(name, self._model.net)

    def score(self, restored: Image, gt: Image) -> float:
        check_pair(self.name, restored, gt)
        x, y = (unit_tensor(image, self._device) for image in (restored, gt))
        try:
            with torch.inference_mode(), _own_randomness(self._device):
                value = float(self._model(x, y).squeeze())
        except (AssertionError, RuntimeError, ValueError) as error:
            height, width, _ = gt.shape
            raise DataError(f"{self.name}: pyiqa cannot score {height}x{width} (HxW) images: {error}") from error
        return finite(self.name, value)


def unit_tensor(image: Image, device: torch.device) -> Tensor:
    """`image` as float32 of shape (1, 3, H, W) in [0, 1]."""
    chw = torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, 2, 0)))
    return chw[None].to(device=device, dtype=torch.float32) / 255


def _build(name: str, device: torch.device) -> nn.Module:
    import pyiqa

    with offline(name), _own_randomness(device):
        try:
            model: nn.Module = pyiqa.create_metric(_pyiqa_name(name), device=device)
        except pickle.UnpicklingError as error:
            raise WeightsError(f"{name}: its checkpoint holds more than tensors, not loaded: {error}") from error
        except (ImportError, OSError) as error:
            raise Unavailable(f"{name}: pyiqa cannot build it on this machine: {error}") from error
    return model


def _pyiqa_name(name: str) -> str:
    return name.removeprefix(names.PYIQA_PREFIX)


def _protocol(name: str, net: object) -> str:
    short = _pyiqa_name(name)
    on_luma = names.pyiqa_table()[short]["metric_opts"].get("test_y_channel", False)
    parts = [short, f"pyiqa{version('pyiqa')}", "y-yiq" if on_luma else "rgb", "8bit", "v1"]
    files = [known_digest(weights.locate(file))[:8] for file in names.spec(name).weights]
    if files:
        parts.append("weights:" + "+".join(files))
    elif isinstance(net, nn.Module) and any(True for _ in net.parameters()):
        parts.append(f"weights:{_state_digest(net)[:8]}")
    return "/".join(parts)


def _state_digest(net: nn.Module) -> str:
    """sha256 over names and bytes of the state, for metrics whose files this project does not know."""
    hasher = hashlib.sha256()
    for key, tensor in sorted(net.state_dict().items()):
        hasher.update(key.encode())
        hasher.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return hasher.hexdigest()


@contextmanager
def _own_randomness(device: torch.device) -> Iterator[None]:
    # pyiqa's random crops draw from the global generators of numpy and torch: seeded here, restored after.
    before = np.random.get_state()  # noqa: NPY002
    gpus = range(torch.cuda.device_count()) if device.type == "cuda" else ()
    with torch.random.fork_rng(devices=gpus):
        torch.default_generator.manual_seed(0)
        if gpus:
            torch.cuda.manual_seed_all(0)
        np.random.seed(0)  # noqa: NPY002
        try:
            yield
        finally:
            np.random.set_state(before)  # noqa: NPY002
