"""A UGPNet of a few channels that works on 32 px."""

from __future__ import annotations

import pytest

from ugpnet.config import GeneratorConfig, RegressorConfig, UGPNetConfig


@pytest.fixture
def tiny_config() -> UGPNetConfig:
    """A residual regressor (NAFNet) inside R_se and R_mg."""
    return UGPNetConfig(
        regressor=RegressorConfig(
            name="nafnet", arguments={"width": 4, "middle_blk_num": 1, "enc_blk_nums": (1,), "dec_blk_nums": (1,)}
        ),
        generator=GeneratorConfig(out_size=32, num_style_feat=6, num_mlp=2, narrow=1 / 32),
        spatial_size=8,
        narrow=1 / 64,
        channels=8,
        fusion_blocks=2,
    )
