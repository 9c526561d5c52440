"""Released checkpoints of the regression methods and of ESRGAN."""

from __future__ import annotations

from bench.registry.entry import MB, Checkpoint

_DRIVE = "https://drive.google.com/file/d/"
_GOPRO = {"middle_blk_num": 1, "enc_blk_nums": [1, 1, 1, 28], "dec_blk_nums": [1, 1, 1, 1]}
_SIDD = {"middle_blk_num": 12, "enc_blk_nums": [2, 2, 4, 8], "dec_blk_nums": [2, 2, 2, 2]}
_UFORMER = "https://mailustceducn-my.sharepoint.com/:u:/g/personal/zhendongwang_mail_ustc_edu_cn/"
_UFORMER_B = {
    "embed_dim": 32, "depths": [1, 2, 8, 8, 2, 8, 8, 2, 1], "num_heads": [1, 2, 4, 8, 16, 16, 8, 4, 2], "win_size": 8,
    "mlp_ratio": 4.0, "qkv_bias": True, "modulator": True,
}  # fmt: skip
_RRDB = {"num_feat": 64, "num_block": 23, "num_grow_ch": 32}

# NAFNet's digests are those that many users of the files state; its authors state none.
NAFNET = (
    Checkpoint(
        "nafnet-gopro-width32", _DRIVE + "1Fr2QadtDCEXg6iwWX8OzeZLbHOx2t5Bj",
        "19394e6155d12ef6371d1d57496f87f0ec88f92bdffa27c0792690722d5d1a5c", 68_671_121, "MIT", "deblurring (GoPro)",
        by_hand=True, saved_as="NAFNet-GoPro-width32.pth", method="nafnet", stage="network",
        config={"width": 32, **_GOPRO}, evaluation={"pooling": "local"},
    ),
    Checkpoint(
        "nafnet-gopro-width64", _DRIVE + "1S0PVRbyTakYY9a82kujgZLbMihfNBLfC",
        "329d3ab4077b8d6b7ff61de376e483714667960bf85be027bf4335cda701196f", 271_778_961, "MIT", "deblurring (GoPro)",
        by_hand=True, saved_as="NAFNet-GoPro-width64.pth", method="nafnet", stage="network",
        config={"width": 64, **_GOPRO}, evaluation={"pooling": "local"}, tasks=("deblur",),
    ),
    Checkpoint(
        "nafnet-sidd-width32", _DRIVE + "1lsByk21Xw-6aW7epCwOQxvm6HYCQZPHZ",
        "89c70e808d1783b6c07911306e106aaf0d4f7f3da8c61078b99ff7f8929a26f4", 116_861_841, "MIT", "denoising (SIDD)",
        by_hand=True, saved_as="NAFNet-SIDD-width32.pth", method="nafnet", stage="network",
        config={"width": 32, **_SIDD}, evaluation={"pooling": "global"},
    ),
    Checkpoint(
        "nafnet-sidd-width64",  # from a co-author's page: the same bytes as 14Fht1QQJ2gMlk4N1ERCRuElg8JfjrWWR on Drive
        "https://huggingface.co/spaces/chuxiaojie/NAFNet/resolve/5964ed4955416df99210106b708e4a2df9e9eca0/"
        "NAFNet-SIDD-width64.pth",
        "cd685efaae01f7c4e9951f2deab05780079c8eb1e49ed664b72f6db04dabb445", 464_154_961, "MIT", "denoising (SIDD)",
        method="nafnet", stage="network", config={"width": 64, **_SIDD}, evaluation={"pooling": "global"},
        tasks=("denoise",),
    ),
)  # fmt: skip

HINET = (
    Checkpoint(
        "hinet-gopro", _DRIVE + "1dw8PKVkLfISzNtUu3gqGh83NBO83ZQ5n", "", 0, "MIT", "deblurring (GoPro)",
        by_hand=True, saved_as="HINet-GoPro.pth", method="hinet", stage="network",
        config={"wf": 64, "depth": 5, "hin_position_left": 3, "hin_position_right": 4}, tasks=("deblur",),
    ),
    Checkpoint(
        "hinet-sidd", _DRIVE + "1CU5z-M90Jc-TAcVpEaFjDCYA09fkubGi", "", 0, "MIT", "denoising (SIDD)",
        by_hand=True, saved_as="HINet-SIDD-1x.pth", method="hinet", stage="network",
        config={"wf": 64, "depth": 5, "hin_position_left": 0, "hin_position_right": 4}, tasks=("denoise",),
    ),
    Checkpoint(
        "hinet-sidd-half", _DRIVE + "1Y5YJQVNL0weifE--5us344bLwzBNS_sU", "", 0, "MIT", "denoising (SIDD)",
        by_hand=True, saved_as="HINet-SIDD-0.5x.pth", method="hinet", stage="network",
        config={"wf": 32, "depth": 5, "hin_position_left": 0, "hin_position_right": 4},
    ),
)  # fmt: skip

UFORMER = (
    Checkpoint(
        "uformer-b-gopro", _UFORMER + "EfCPoTSEKJRAshoE6EAC_3YB7oNkbLUX6AUgWSCwoJe0oA?e=jai90x", "", 0, "MIT",
        "deblurring (GoPro)", by_hand=True, saved_as="Uformer_B_GoPro.pth", method="uformer", stage="network",
        config=_UFORMER_B, evaluation={"img_size": 128}, tasks=("deblur",),
    ),
    Checkpoint(
        "uformer-b-sidd", _UFORMER + "Ea7hMP82A0xFlOKPlQnBJy0B9gVP-1MJL75mR4QKBMGc2w?e=iOz0zz", "", 0, "MIT",
        "denoising (SIDD)", by_hand=True, saved_as="Uformer_B_SIDD.pth", method="uformer", stage="network",
        config=_UFORMER_B, evaluation={"img_size": 128}, tasks=("denoise",),
    ),
)  # fmt: skip

# The ends of BasicSR's names are the first digits of sha256.
ESRGAN = (
    Checkpoint(
        "rrdbnet-x4", _DRIVE + "1swaV5iBMFfg-DL6ZyiARztbhutDCWXMM", "150ff491", 0, "Apache-2.0",
        "x4 super-resolution for PSNR (DF2K)", by_hand=True, saved_as="ESRGAN_PSNR_SRx4_DF2K_official-150ff491.pth",
        method="rrdbnet", stage="network", config=_RRDB, tasks=("sr",), scale=4,
    ),
    Checkpoint(
        "esrgan-x4",
        "https://github.com/xinntao/Real-ESRGAN/releases/download/v0.1.1/ESRGAN_SRx4_DF2KOST_official-ff704c30.pth",
        "ff704c30", 100 * MB, "Apache-2.0", "x4 super-resolution (DF2K, OST)", at_most=True,
        method="esrgan", stage="network", config={"pretrained": {"rrdbnet": _RRDB}}, tasks=("sr",), scale=4,
    ),
)  # fmt: skip

REGRESSION = (*NAFNET, *HINET, *UFORMER, *ESRGAN)
