"""UGPNet's released checkpoints: three files per task in one Google Drive folder (its ReadMe links nothing smaller)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.registry.entry import Checkpoint

_DRIVE = "https://drive.google.com/drive/folders/1fTwlaFFnuvzev371jhCxL1fFlIEl7wA-"
_LICENCE = "none stated"
_NAFNET = {"width": 32, "middle_blk_num": 1, "enc_blk_nums": [1, 1, 1, 28], "dec_blk_nums": [1, 1, 1, 1]}
_NAFNET_SIDD = {"width": 32, "middle_blk_num": 12, "enc_blk_nums": [2, 2, 4, 8], "dec_blk_nums": [2, 2, 2, 2]}
_STYLEGAN2 = {"num_style_feat": 512, "num_mlp": 8, "channel_multiplier": 2, "narrow": 1}


def _config(regressor: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "regressor": regressor, "prior": {"stylegan2": {"architecture": _STYLEGAN2}},
        "structure_encoder": True, "fuse": "features", "spatial_size": 16, "narrow": 1, "channels": 64, "fusion_blocks": 8,
    }  # fmt: skip


def _file(task: str, stage: str, saved_as: str, config: Mapping[str, Any], scale: int | None = None) -> Checkpoint:
    """Names repeat from task to task, so a file keeps its folder."""
    name = f"ugpnet-{task}"
    return Checkpoint(
        f"{name}-{stage}", _DRIVE, "", 0, _LICENCE, f"UGPNet, {task} of 512 px faces", by_hand=True, saved_as=saved_as,
        method="ugpnet", stage=stage, config=config, tasks=(task,), release=name, side=512, scale=scale,
    )  # fmt: skip


_DEBLUR = _config({"nafnet": {**_NAFNET, "pooling": "local"}})
_DENOISE = _config({"nafnet": {**_NAFNET_SIDD, "pooling": "global"}})
_SR = _config({"rrdbnet": {"weights": "official:ugpnet-sr-regressor"}})

UGPNET = (
    _file("deblur", "restoration", "UGPNet_with_NAFNet_deblur/resmodule_best_20000.pth", _DEBLUR),
    _file("deblur", "synthesis", "UGPNet_with_NAFNet_deblur/synmodule_40000.pth", _DEBLUR),
    _file("deblur", "fusion", "UGPNet_with_NAFNet_deblur/fusmodule_best.pth", _DEBLUR),
    _file("denoise", "restoration", "UGPNet_with_NAFNet_denoise/resmodule_best_18000.pth", _DENOISE),
    _file("denoise", "synthesis", "UGPNet_with_NAFNet_denoise/synmodule_40000.pth", _DENOISE),
    _file("denoise", "fusion", "UGPNet_with_NAFNet_denoise/fusmodule_best.pth", _DENOISE),
    # In super-resolution the regressor is the restoration module as it is: its file is another method's.
    Checkpoint(
        "ugpnet-sr-regressor", _DRIVE, "", 0, _LICENCE, "RRDBNet x8, UGPNet's restoration module",
        by_hand=True, saved_as="pretrained/rrdbnet_x8_bicubic.pth", method="rrdbnet", stage="network",
        config={"num_feat": 64, "num_block": 23, "num_grow_ch": 32}, tasks=("sr",), release="ugpnet-sr", scale=8,
    ),
    _file("sr", "synthesis", "UGPNet_with_RRDBNet_sr/synmodule_40000.pth", _SR, scale=8),
    _file("sr", "fusion", "UGPNet_with_RRDBNet_sr/fusmodule_best.pth", _SR, scale=8),
)  # fmt: skip
