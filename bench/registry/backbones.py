"""What metrics and losses measure with. Where the exact size is unknown, a bound."""

from __future__ import annotations

from bench.registry.entry import MB, WeightFile

_TORCHVISION = "https://download.pytorch.org/models/"
_GFPGAN = "https://github.com/TencentARC/GFPGAN/releases/download/v0.1.0/"
_PYIQA = "https://huggingface.co/chaofengc/IQA-PyTorch-Weights/resolve/main/"

BACKBONES = (
    WeightFile(
        "alexnet", _TORCHVISION + "alexnet-owt-7be5be79.pth",
        "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
        244_408_911, "BSD-3-Clause (torchvision)", "lpips",
    ),
    WeightFile(
        "vgg16", _TORCHVISION + "vgg16-397923af.pth",
        "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0",
        553_433_881, "BSD-3-Clause (torchvision)", "lpips_vgg, dists, perceptual losses",
    ),
    WeightFile(
        "vgg19", _TORCHVISION + "vgg19-dcbb9e9d.pth",
        "dcbb9e9dad569fff7a846263a77324fc34978fea2bfb039c012d710e1776ae44",
        574_673_361, "BSD-3-Clause (torchvision)", "perceptual and contextual losses",
    ),
    WeightFile(
        "inception",
        "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
        "weights-inception-2015-12-05-6726825d.pth",
        "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
        95_628_359, "Apache-2.0", "fid, kid",
    ),
    WeightFile(
        "dists", _PYIQA + "DISTS_weights-f5e65c96.pth",
        "f5e65c96230b7f6ca995691647d482237e4cab8a50c5c4a5784f219ef0748218",
        2 * MB, "MIT", "dists", at_most=True,
    ),
    WeightFile(
        "niqe", _PYIQA + "niqe_modelparameters.mat", "",
        2 * MB, "research use (LIVE, UT Austin)", "niqe", at_most=True,
    ),
    WeightFile(
        "arcface_resnet18", _GFPGAN + "arcface_resnet18.pth", "",
        128 * MB, "Apache-2.0 (TencentARC/GFPGAN)", "gfpgan: identity loss", at_most=True,
    ),
    WeightFile(
        "arcface_ir_se50", "https://public-vigen-video.oss-cn-shanghai.aliyuncs.com/robin/models/model_ir_se50.pth", "",
        256 * MB, "academic and non-commercial use (yangxy/GPEN)", "gpen: identity loss", at_most=True,
    ),
    WeightFile(
        "face_boxes", _GFPGAN + "FFHQ_eye_mouth_landmarks_512.pth", "",
        128 * MB, "Apache-2.0 (TencentARC/GFPGAN)", "gfpgan: boxes of eyes and mouth, on FFHQ", at_most=True,
    ),
)  # fmt: skip
