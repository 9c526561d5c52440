"""The losses: values and gradients on drawn tensors, and R1 through the released discriminators."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from bench.parity.oracle import TOLERANCE, Case, capture, draw_weight, make_input, relative_error
from ugpnet.features import VGGFeatures
from ugpnet.losses import LPIPSLoss, PatchContextualLoss, contextual_loss, psnr_loss, r1_penalty
from ugpnet.losses.adversarial import logistic_d_loss, logistic_g_loss
from ugpnet.losses.patch_contextual import split_tiles
from ugpnet.losses.perceptual import resize_square
from ugpnet.nn.discriminator import StyleGAN2Discriminator

VALUE, IMAGE_GRADIENT, R1, NETWORK = 1e-5, 2e-3, 1e-3, 1e-4
"""Bounds of the parity README: values, image gradients through VGG, R1 and its gradient, network outputs."""

SEED = 0
"""Of all drawn weights; the case states none."""

Found: TypeAlias = Iterator[tuple[str, Tensor, float]]
"""Name of a golden array, our tensor, the bound on its relative error."""


def errors(case: Case) -> dict[str, float]:
    """Relative error of every golden array times TOLERANCE / bound: TOLERANCE stands for each one's bound."""
    golden = case.golden()
    found = {
        f"{name}.{array}": (ours, bound)
        for name in case.manifest
        if not name.startswith("_")
        for array, ours, bound in _compute(name, case.manifest[name])
    }
    if absent := sorted(_arrays(golden) - set(found)):
        raise KeyError(f"the probe returned no {', '.join(absent)}")
    return {name: _error(ours, golden, name) * TOLERANCE / bound for name, (ours, bound) in found.items()}


def _arrays(golden: Mapping[str, NDArray[Any]]) -> set[str]:
    return {name for name in golden if not name.endswith(("_stride", "_stats"))}


def _error(ours: Tensor, golden: Mapping[str, NDArray[Any]], name: str) -> float:
    wanted = golden[name].astype(np.float64)
    if wanted.ndim == 0 or name.endswith(".pred"):
        # Relative to the size, as in the case's `float64_rel_err`: two logits have hardly any deviation.
        difference = ours.detach().to(torch.float64).numpy() - wanted
        return float(np.linalg.norm(difference) / np.linalg.norm(wanted))
    return relative_error(ours, wanted, [int(step) for step in golden[f"{name}_stride"]])


def _compute(name: str, entry: Mapping[str, Any]) -> Found:
    match name.split("_")[0], name:
        case "contextual", _:
            return _contextual(name)
        case _, "patch_contextual_vgg19":
            return _patch_contextual(entry)
        case _, "lpips_wrapper":
            return _lpips(entry)
        case _, "psnr_loss" | "psnr_loss_toY":
            return _psnr(to_y=name.endswith("toY"))
        case _, "logistic":
            return _logistic()
        case _, "r1_linear":
            return _r1_linear()
        case _, "r1_conv":
            return _r1_conv()
        case _, "disc512" | "disc256_church":
            return _discriminator(512 if name == "disc512" else 256, entry)
    raise KeyError(f"no probe for the loss {name}")


def _gradient(value: Tensor, image: Tensor) -> Tensor:
    return torch.autograd.grad(value, image)[0]


def _contextual(name: str) -> Found:
    shape = [int(side) for side in name.rsplit("_", 1)[1].split("x")]
    x = make_input(shape, 0)
    independent = "_indep_" in name
    y = make_input(shape, 1) if independent else 0.6 * x.roll((3, 5), (2, 3)) + 0.4 * make_input(shape, 2)
    value = contextual_loss(x.requires_grad_(), y)
    yield "value", value, VALUE
    yield "grad_x", _gradient(value, x), VALUE
    x = x.detach()
    units = [F.normalize(features - y.mean((0, 2, 3), keepdim=True), dim=1).flatten(2) for features in (x, y)]
    yield "cosine_distance", 1 - units[0].mT @ units[1], VALUE


def _drawn(entry: Mapping[str, Any], prefix: str) -> dict[str, Tensor]:
    """The drawn weights below `prefix`, by what follows it in their keys."""
    filled = {key: weight for key, weight in entry["state_dict"].items() if weight["filled"]}
    return {
        key.removeprefix(prefix): draw_weight(key, weight["shape"], SEED)
        for key, weight in filled.items()
        if key.startswith(prefix)
    }


def _vgg_weights(entry: Mapping[str, Any], prefix: str) -> dict[str, Tensor]:
    """Torchvision's keys from the released `<prefix>N.<torchvision index>.weight`."""
    return {f"features.{key.split('.', 1)[1]}": weight for key, weight in _drawn(entry, prefix).items()}


def _mixed_pair(shape: list[int]) -> tuple[Tensor, Tensor]:
    image = make_input(shape, 0)
    return image, 0.5 * image + 0.5 * make_input(shape, 1)


def _patch_contextual(entry: Mapping[str, Any]) -> Found:
    features = VGGFeatures("vgg19", ("relu3_4",), _vgg_weights(entry, "vgg_model.slice"))
    x, y = _mixed_pair([1, 3, 256, 256])
    tiles = split_tiles(x, 128)
    yield "patches", tiles, VALUE
    yield "feat_x", features(tiles)["relu3_4"], VALUE
    value = PatchContextualLoss(features)(x.requires_grad_(), y)
    yield "value", value, VALUE
    yield "grad_x", _gradient(value, x), IMAGE_GRADIENT


def _lpips(entry: Mapping[str, Any]) -> Found:
    loss = LPIPSLoss(_vgg_weights(entry, "lpips_fn.net.slice"), _drawn(entry, "lpips_fn."), resize=256)
    gt, restored = _mixed_pair([1, 3, 512, 512])
    yield "resized_output", resize_square(restored, 256) * 2 - 1, VALUE
    value = loss(restored.requires_grad_(), gt)
    yield "value", value, VALUE
    yield "grad_output", _gradient(value, restored), IMAGE_GRADIENT


def _psnr(to_y: bool) -> Found:
    restored = make_input((3, 3, 32, 40), 0).requires_grad_()
    value = psnr_loss(restored, make_input((3, 3, 32, 40), 1), to_y)
    yield "value", value, VALUE
    yield "grad_pred", _gradient(value, restored), VALUE


def _logistic() -> Found:
    fake, real = make_input((8, 1), 0, -3, 3), make_input((8, 1), 1, -3, 3)
    yield "d_loss", logistic_d_loss(real, fake), VALUE
    yield "g_loss", logistic_g_loss(fake), VALUE


def _lazy_r1(penalty: Tensor) -> Tensor:
    """UGPNet's term: weight 10, on every tenth step."""
    return 10 / 2 * penalty * 10


def _r1_linear() -> Found:
    real = make_input((4, 3, 16, 16), 0).requires_grad_()
    penalty = r1_penalty((real * make_input((1, 3, 16, 16), 3, -0.5, 0.5)).sum((1, 2, 3)), real)
    yield "r1_penalty", penalty, R1
    yield "regd", _lazy_r1(penalty), R1


def _r1_conv() -> Found:
    real = make_input((4, 3, 16, 16), 0).requires_grad_()
    kernel = make_input((8, 3, 3, 3), 4, -0.5, 0.5).requires_grad_()
    pred = 10 * torch.tanh(F.conv2d(real, kernel)).square().mean((1, 2, 3)).unsqueeze(1)
    penalty = r1_penalty(pred, real)
    yield "r1_penalty", penalty, R1
    yield "grad_regd_wrt_C", _gradient(_lazy_r1(penalty), kernel), R1


def _discriminator(size: Literal[256, 512], entry: Mapping[str, Any]) -> Found:
    network = StyleGAN2Discriminator(size, channel_multiplier=1 if size == 512 else 2)
    # `post_fill`: equalised layers expect standard normal weights.
    state = {
        name: weight * math.sqrt(math.prod(weight.shape[1:])) if weight.ndim >= 2 else weight
        for name, weight in _drawn(entry, "").items()
    }
    network.load_state_dict(state, strict=False)
    captured = capture(network, {"body2": "conv_body.2"})
    real = make_input((2, 3, size, size), 0).requires_grad_()
    pred = network(real)
    penalty = r1_penalty(pred, real)
    yield "pred", pred, NETWORK
    yield "body2", captured["body2"], NETWORK
    yield "r1_penalty", penalty, R1
    yield "regd", _lazy_r1(penalty), R1
    stem = network.get_parameter("conv_body.0.0.weight")
    yield "grad_regd_stem_weight", _gradient(_lazy_r1(penalty), stem), R1
