"""Released checkpoints of the methods for faces, and of the prior that they start from."""

from __future__ import annotations

from typing import Any

from bench.registry.entry import MB, Checkpoint

_GITHUB = "https://github.com/TencentARC/"
_GPEN = "https://public-vigen-video.oss-cn-shanghai.aliyuncs.com/robin/models/"
_GPEN_LICENCE = "academic and non-commercial use"
_VQFR_DRIVE = "https://drive.google.com/drive/folders/1lczKYEbARwe27FJlKoFdng7UnffGDjO2"
_GLEAN = "https://download.openmmlab.com/mmediting/restorers/glean/"
_BLIND = ("deblur", "denoise", "sr")
"""Blind restorers take any degraded face."""


def _stylegan2(channel_multiplier: int) -> dict[str, Any]:
    widths = {"num_style_feat": 512, "num_mlp": 8, "channel_multiplier": channel_multiplier, "narrow": 1}
    return {"architecture": widths}


_PAPER = {"variant": "paper", "prior": {"stylegan2": _stylegan2(1)}, "different_w": True, "sft_half": True}
_CLEAN = {"variant": "clean", "prior": {"stylegan2": _stylegan2(2)}, "different_w": True, "sft_half": True}

# Digests as many users of the files state them; the publisher states none.
GFPGAN = (
    Checkpoint(
        "gfpgan-v1", _GITHUB + "GFPGAN/releases/download/v0.1.0/GFPGANv1.pth", "", 400 * MB, "Apache-2.0",
        "blind face restoration, with colours (the paper's)", at_most=True, method="gfpgan", stage="restoration",
        config=_PAPER, side=512,
    ),
    Checkpoint(
        "gfpgan-v1.2", _GITHUB + "GFPGAN/releases/download/v0.2.0/GFPGANCleanv1-NoCE-C2.pth",
        "29e25ee90c170f4231163f4c83df6b59c968b73f3ce00cb884015ae005db083c", 400 * MB, "Apache-2.0",
        "blind face restoration, without colours", at_most=True, method="gfpgan", stage="restoration", config=_CLEAN, side=512,
    ),
    Checkpoint(
        "gfpgan-v1.3", _GITHUB + "GFPGAN/releases/download/v1.3.0/GFPGANv1.3.pth",
        "c953a88f2727c85c3d9ae72e2bd4846bbaf59fe6972ad94130e23e7017524a70", 348_632_874, "Apache-2.0",
        "blind face restoration", method="gfpgan", stage="restoration", config=_CLEAN, side=512,
    ),
    Checkpoint(
        "gfpgan-v1.4", _GITHUB + "GFPGAN/releases/download/v1.3.0/GFPGANv1.4.pth",
        "e2cd4703ab14f4d01fd1383a8a8b266f9a5833dacee8e6a79d3bf21a1b6be5ad", 348_632_874, "Apache-2.0",
        "blind face restoration", method="gfpgan", stage="restoration", config=_CLEAN, tasks=_BLIND, side=512,
    ),
)  # fmt: skip

GPEN = (
    Checkpoint(
        "gpen-bfr-512", _GPEN + "GPEN-BFR-512.pth", "", 400 * MB, _GPEN_LICENCE, "blind face restoration", at_most=True,
        method="gpen", stage="network",
        config={"style_dim": 512, "n_mlp": 8, "channel_multiplier": 2, "narrow": 1}, tasks=_BLIND, side=512,
    ),
    Checkpoint(
        "gpen-bfr-256", _GPEN + "GPEN-BFR-256.pth", "", 150 * MB, _GPEN_LICENCE, "blind face restoration", at_most=True,
        method="gpen", stage="network",
        config={"style_dim": 512, "n_mlp": 8, "channel_multiplier": 1, "narrow": 0.5}, tasks=_BLIND, side=256,
    ),
)  # fmt: skip

VQFR = (
    Checkpoint(
        "vqfr-v1", _VQFR_DRIVE, "33a1fac5", 0, "Apache-2.0", "blind face restoration", by_hand=True,
        saved_as="VQFR_v1-33a1fac5.pth", method="vqfr", stage="restoration", config={"version": "v1"}, tasks=_BLIND, side=512,
    ),
    Checkpoint(
        "vqfr-v1-codebook", _VQFR_DRIVE, "39165968", 0, "Apache-2.0", "VQFR v1's dictionary of FFHQ", by_hand=True,
        saved_as="VQ_Codebook_FFHQ512-39165968.pth", method="vqfr", stage="codebook", config={"version": "v1"}, side=512,
    ),
    Checkpoint(
        "vqfr-v2", _GITHUB + "VQFR/releases/download/v2.0.0/VQFR_v2.pth", "", 600 * MB, "Apache-2.0",
        "blind face restoration", at_most=True, method="vqfr", stage="restoration", config={"version": "v2"},
        evaluation={"fidelity_ratio": 0.0}, side=512,
    ),
)  # fmt: skip

# The ends of mmagic's names are the first digits of sha256. The files also hold discriminator and VGG.
GLEAN = (
    Checkpoint(
        "glean-x16", _GLEAN + "glean_ffhq_16x_20210527-61a3afad.pth", "61a3afad", 2048 * MB, "Apache-2.0",
        "x16 super-resolution of faces", at_most=True, method="glean", stage="network",
        config={"rrdb_channels": 64, "num_rrdbs": 23, "growth": 32, "prior": {"stylegan2": _stylegan2(2)}},
        tasks=("sr",), side=1024, scale=16,
    ),
    Checkpoint(
        "glean-x8", _GLEAN + "glean_in128out1024_4x2_300k_ffhq_celebahq_20210812-acbcb04f.pth", "acbcb04f", 2048 * MB,
        "Apache-2.0", "x8 super-resolution of faces", at_most=True, method="glean", stage="network",
        config={"rrdb_channels": 64, "num_rrdbs": 23, "growth": 32, "prior": {"stylegan2": _stylegan2(2)}},
        tasks=("sr",), side=1024, scale=8,
    ),
)  # fmt: skip

GCFSR = (
    Checkpoint(
        "gcfsr-blind", "https://drive.google.com/file/d/1Yzi1O5SeSFq_yrunrTJ1nkTT8jbBOaLJ", "", 0, "none stated",
        "blind face restoration", by_hand=True, saved_as="gcfsr_blind_512.pth", method="gcfsr", stage="network",
        config={"variant": "blind", "num_style_feat": 512, "channel_multiplier": 2, "narrow": 1}, tasks=_BLIND, side=512,
    ),
)  # fmt: skip

_NVIDIA = "Nvidia Source Code License, non-commercial"
STYLEGAN2 = (
    Checkpoint(
        "stylegan2-ffhq-512", _GITHUB + "GFPGAN/releases/download/v0.1.0/StyleGAN2_512_Cmul1_FFHQ_B12G4_scratch_800k.pth",
        "", 400 * MB, "Apache-2.0", "prior of faces", at_most=True, method="stylegan2", stage="prior",
        config=_stylegan2(1), tasks=(*_BLIND, "prior"), side=512,
    ),
    Checkpoint(
        "stylegan2-ffhq-1024", "https://drive.google.com/file/d/1qtdsT1FrvKQsFiW3OqOcIb-VS55TVy1g", "3ab41b38", 0,
        _NVIDIA, "prior of faces", by_hand=True, saved_as="stylegan2_ffhq_config_f_1024_official-3ab41b38.pth",
        method="stylegan2", stage="prior", config=_stylegan2(2), tasks=(*_BLIND, "prior"), side=1024,
    ),
)  # fmt: skip

FACES = (*GFPGAN, *GPEN, *VQFR, *GLEAN, *GCFSR, *STYLEGAN2)
