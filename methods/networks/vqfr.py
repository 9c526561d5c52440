"""Both versions of VQFR, and the restorer around them."""

from __future__ import annotations

from typing import TypeAlias

from torch import Tensor, nn

from methods.networks.images import enlarge, signed, unsigned
from methods.networks.vqfr_v1 import VQFRv1
from methods.networks.vqfr_v2 import VQFRv2
from methods.networks.vqgan_v1 import VQGANv1
from methods.networks.vqgan_v2 import VQGANv2
from ugpnet.nn.padding import crop_like, pad_to_multiple

VQGAN: TypeAlias = VQGANv1 | VQGANv2
VQFR: TypeAlias = VQFRv1 | VQFRv2


class VQFRRestorer(nn.Module):
    """lq and restored in [0, 1], lq of any size: enlarged `scale` times, then grown at the right and the bottom."""

    def __init__(self, network: VQFR, scale: int, fidelity_ratio: float = 1.0) -> None:
        super().__init__()
        self.network = network
        self.scale = scale
        self.fidelity_ratio = fidelity_ratio

    def forward(self, lq: Tensor) -> Tensor:
        lq = enlarge(lq, self.scale)
        x = signed(pad_to_multiple(lq, self.network.size_multiple, "replicate"))
        restored = self.network(x, self.fidelity_ratio) if isinstance(self.network, VQFRv2) else self.network(x)
        return crop_like(unsigned(restored.main), lq)
