"""What a UGPNet is made of. The released variants are presets."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from ugpnet.settings import Config

RegressorName: TypeAlias = Literal["nafnet", "nafnet_local", "hinet", "unet", "rrdbnet"]
Preset: TypeAlias = Literal["nafnet_deblur", "nafnet_denoise", "hinet_deblur", "hinet_denoise", "rrdb_x8"]


class RegressorConfig(Config):
    """One of the paper's regression networks with its constructor values; see the class for their names."""

    name: RegressorName = "nafnet_local"
    arguments: dict[str, Any] = {}


class GeneratorConfig(Config):
    """The StyleGAN2 generator; `out_size` is the side of the images in pixels."""

    out_size: int = 512
    num_style_feat: int = 512
    num_mlp: int = 8
    channel_multiplier: float = 2
    narrow: float = 1


class UGPNetConfig(Config):
    """The model and its ablations (paper, Sec. 4.3).

    `structure_encoder`: R_se and R_mg around a residual regressor. `fuse`: what the fusion module combines.
    `spatial_size` is the side of the F code, `narrow` scales the widths of its encoder, `channels` those of f_reg and of
    the fusion module.
    """

    regressor: RegressorConfig = RegressorConfig()
    generator: GeneratorConfig = GeneratorConfig()
    structure_encoder: bool = True
    fuse: Literal["features", "images"] = "features"
    spatial_size: int = 16
    narrow: float = 1
    channels: int = 64
    fusion_blocks: int = 8


_REGRESSORS: dict[Preset, RegressorConfig] = {
    "nafnet_deblur": RegressorConfig(
        name="nafnet_local",
        arguments={
            "width": 32, "middle_blk_num": 1, "enc_blk_nums": (1, 1, 1, 28), "dec_blk_nums": (1, 1, 1, 1),
            "train_size": (256, 256), "base_size": (384, 384),
        },
    ),
    "nafnet_denoise": RegressorConfig(
        name="nafnet",
        arguments={"width": 32, "middle_blk_num": 12, "enc_blk_nums": (2, 2, 4, 8), "dec_blk_nums": (2, 2, 2, 2)},
    ),
    "hinet_deblur": RegressorConfig(name="hinet", arguments={"wf": 64, "hin_position_left": 3, "hin_position_right": 4}),
    "hinet_denoise": RegressorConfig(name="hinet", arguments={"wf": 32, "hin_position_left": 0, "hin_position_right": 4}),
    "rrdb_x8": RegressorConfig(name="rrdbnet", arguments={"scale": 8}),
}  # fmt: skip


def preset(name: Preset, church: bool = False) -> UGPNetConfig:
    """A released model: faces at 512 px, or LSUN churches at 256 px."""
    generator = GeneratorConfig(out_size=256) if church else GeneratorConfig()
    return UGPNetConfig(regressor=_REGRESSORS[name], generator=generator)
