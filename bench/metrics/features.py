"""Features for set metrics: what FID and KID compare. One pass serves both, and every ground truth is seen
once.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.metadata import version
from typing import Any, Protocol, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from bench import weights
from bench.digest import known_digest
from bench.errors import DataError
from bench.metrics.base import Image, check_image
from bench.metrics.offline import offline

Extractor: TypeAlias = Callable[[NDArray[np.uint8]], NDArray[np.float32]]
"""A batch of images of one size, (N, H, W, 3), to features, (N, D)."""


class Features(Protocol):
    """Images of any sizes to a matrix (N, D); `protocol` names the network, its resizing and weights."""

    @property
    def protocol(self) -> str: ...

    def __call__(self, images: Iterable[Image]) -> NDArray[np.float64]: ...


class RememberedFeatures:
    """An extractor run once per distinct image: the last `capacity` vectors are kept, by image content."""

    def __init__(self, protocol: str, extract: Extractor, batch_size: int = 16, capacity: int = 8192) -> None:
        self.protocol = protocol
        self._extract = extract
        self._batch_size = batch_size
        self._capacity = capacity
        self._memory: OrderedDict[bytes, NDArray[np.float32]] = OrderedDict()

    def __call__(self, images: Iterable[Image]) -> NDArray[np.float64]:
        keys: list[bytes] = []
        rows: dict[bytes, NDArray[np.float32]] = {}
        waiting: dict[bytes, Image] = {}
        for image in images:
            check_image(self.protocol, image)
            key = _key(image)
            keys.append(key)
            if key in self._memory:
                rows[key] = self._memory[key]
            elif key not in rows and key not in waiting:
                if waiting and next(iter(waiting.values())).shape != image.shape:
                    self._flush(waiting, rows)
                waiting[key] = image
                if len(waiting) == self._batch_size:
                    self._flush(waiting, rows)
        if waiting:
            self._flush(waiting, rows)
        if not keys:
            raise DataError(f"{self.protocol}: no images")
        return np.stack([rows[key] for key in keys]).astype(np.float64)

    def _flush(self, waiting: dict[bytes, Image], rows: dict[bytes, NDArray[np.float32]]) -> None:
        features = self._extract(np.stack(list(waiting.values())))
        for key, row in zip(waiting, features, strict=True):
            rows[key] = self._memory[key] = row
            if len(self._memory) > self._capacity:
                self._memory.popitem(last=False)
        waiting.clear()


@lru_cache(maxsize=2)
def inception(device: str = "cpu") -> Features:
    """Pooled 2048-D features of the 2015-12-05 Inception, as torch-fidelity ports it; one instance per
    device.

    Images of any size are resized to 299 px as TensorFlow 1 does (bilinear, no antialiasing): the "legacy"
    FID. Raises Unavailable or WeightsError as `weights.verify` does.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = weights.verify("inception")
    with offline("fid"), torch.random.fork_rng(devices=[]):
        network: Any = FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path)
        ).to(device)

    def extract(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        nchw = torch.from_numpy(np.ascontiguousarray(np.moveaxis(batch, 3, 1))).to(device)
        with torch.inference_mode():
            features: NDArray[np.float32] = network(nchw)[0].cpu().numpy()
        return features

    tag = known_digest(path)[:8]
    library = f"torch-fidelity{version('torch-fidelity')}"
    return RememberedFeatures(f"inception-2015-12-05/{library}/pool2048/tf1-bilinear299/weights:{tag}", extract)


def _key(image: Image) -> bytes:
    return hashlib.blake2b(repr(image.shape).encode() + image.tobytes(), digest_size=16).digest()
