"""UGPNet: restoration -> synthesis -> fusion (paper, Fig. 2)."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor, nn

from ugpnet.config import GeneratorConfig, RegressorConfig, UGPNetConfig
from ugpnet.fusion import FusionModule
from ugpnet.nn.hinet import HINet
from ugpnet.nn.nafnet import NAFNet, NAFNetLocal
from ugpnet.nn.regressor import Regressor
from ugpnet.nn.rrdbnet import RRDBNet
from ugpnet.nn.stylegan2 import StyleGAN2Generator
from ugpnet.nn.unet import UNet
from ugpnet.pretrained import Pretrained
from ugpnet.restoration import restoration_module
from ugpnet.synthesis import SynthesisModule


@dataclass(frozen=True)
class Parts:
    """What each module gives: images (B,3,H,W) RGB in [0, 1], not clamped, and the features that were fused."""

    x_reg: Tensor
    f_reg: Tensor
    x_syn: Tensor
    f_syn: Tensor
    x_hat: Tensor


class UGPNet(Pretrained, nn.Module):
    """x_hat (B,3,S,S) of degraded images (B,3,S/scale,S/scale), RGB in [0, 1]; S is the generator's `out_size`.

    `regressor` and `generator` take the place of those that the configuration describes: any network that follows
    `ugpnet.nn.regressor.Regressor`, one of the paper's four or anything else wrapped in `ugpnet.nn.tap.Tap`.
    """

    def __init__(self, config: UGPNetConfig | None = None, regressor: nn.Module | None = None,
                 generator: StyleGAN2Generator | None = None) -> None:  # fmt: skip
        super().__init__()
        self.config = config or UGPNetConfig()
        network = build_regressor(self.config.regressor) if regressor is None else regressor
        prior = build_generator(self.config.generator) if generator is None else generator
        self.restoration = restoration_module(network, self.config.structure_encoder, self.config.channels)
        self.synthesis = SynthesisModule(prior, self.config.spatial_size, self.config.narrow)
        self.fusion = build_fusion(self.config, self.restoration, self.synthesis)

    def parts(self, lq: Tensor) -> Parts:
        """Every module's output. Raises ValueError where the restored image is not of the generator's size."""
        x_reg, f_reg = cast(Regressor, self.restoration).both(lq)
        x_syn, f_syn = self.synthesis.both(x_reg)
        x_hat = self.fuse(x_reg, f_reg, x_syn, f_syn)
        return Parts(x_reg, f_reg, x_syn, f_syn, x_hat)

    def fuse(self, x_reg: Tensor, f_reg: Tensor, x_syn: Tensor, f_syn: Tensor) -> Tensor:
        """x_hat from what the configuration fuses: features (eq. 1) or images (Table 3, row b)."""
        x_hat: Tensor = self.fusion(f_syn, f_reg) if self.config.fuse == "features" else self.fusion(x_syn, x_reg)
        return x_hat

    def forward(self, lq: Tensor) -> Tensor:
        return self.parts(lq).x_hat


def build_fusion(config: UGPNetConfig, restoration: nn.Module, synthesis: SynthesisModule) -> FusionModule:
    """The fusion module for the two others."""
    if config.fuse == "images":
        return FusionModule(3, 3, config.channels, config.fusion_blocks)
    reg_channels = cast(Regressor, restoration).feature_channels
    return FusionModule(synthesis.feature_channels, reg_channels, config.channels, config.fusion_blocks)


def build_generator(config: GeneratorConfig) -> StyleGAN2Generator:
    return StyleGAN2Generator(**config.model_dump())


def build_regressor(config: RegressorConfig) -> nn.Module:
    """The named network. Raises ValueError where its constructor has no such argument."""
    networks: dict[str, type[nn.Module]] = {
        "nafnet": NAFNet, "nafnet_local": NAFNetLocal, "hinet": HINet, "unet": UNet, "rrdbnet": RRDBNet,
    }  # fmt: skip
    network: Any = networks[config.name]
    known = inspect.signature(network).parameters
    if surplus := [name for name in config.arguments if name not in known]:
        raise ValueError(f"{config.name} has no argument {surplus[0]!r}; it has {', '.join(known)}")
    if config.name == "hinet":  # UGPNet's own copy restarts its second stage from the image
        return cast(nn.Module, network(**{"second_stem": "shared", **config.arguments}))
    return cast(nn.Module, network(**config.arguments))
