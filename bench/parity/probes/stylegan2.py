"""Probe of the StyleGAN2 generator."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from bench.parity.oracle import Case, capture
from ugpnet.nn.stylegan2 import StyleGAN2Generator


def build(case: Case) -> nn.Module:
    return StyleGAN2Generator(**case.constructor)


def run(module: nn.Module, inputs: list[Tensor], case: Case) -> Mapping[str, Tensor]:
    names = set(case.manifest["tensors"]) - {"image", "latents", "image_mixed", "image_trunc"}
    captured = capture(module, {name: _path(name) for name in names})
    z = inputs[0]
    image, latents = module(z, noise="stored", return_latents=True)
    outputs = {"image": image, "latents": latents}
    if "image_mixed" in case.manifest["tensors"]:
        other = z.flip(0) if len(z) > 1 else -z
        outputs["image_mixed"] = module([z, other], noise="stored", inject_index=5)
    if "image_trunc" in case.manifest["tensors"]:
        mean = latents[:, 0].mean(0, keepdim=True)
        outputs["image_trunc"] = module(z, noise="stored", truncation=0.7, truncation_latent=mean)
    return outputs | captured


def _path(name: str) -> str:
    """`style_convs_2` is the sub-module `style_convs.2`."""
    stem, _, index = name.rpartition("_")
    return f"{stem}.{index}" if index.isdigit() else name
