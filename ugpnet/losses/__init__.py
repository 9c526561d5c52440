"""Every loss, named and sourced."""

from ugpnet.losses.adversarial import (
    hinge_d_loss,
    hinge_g_loss,
    logistic_d_loss,
    logistic_g_loss,
    relativistic_d_loss,
    relativistic_g_loss,
    vanilla_d_loss,
    vanilla_g_loss,
)
from ugpnet.losses.contextual import contextual_loss
from ugpnet.losses.discrimination import logistic_terms
from ugpnet.losses.patch_contextual import PatchContextualLoss
from ugpnet.losses.perceptual import (
    FeatureDistance,
    LPIPSLoss,
    VGGPerceptualLoss,
    gram_matrix,
    style_loss,
    unit_channels,
)
from ugpnet.losses.pixel import charbonnier_loss, l1_loss, mse_loss, psnr_loss, smooth_l1_loss
from ugpnet.losses.regularisers import PathLengthPenalty, r1_penalty
from ugpnet.losses.selection import build_contextual, build_perceptual
from ugpnet.settings import Contextual, LazyR1, Perceptual

__all__ = [
    "Contextual",
    "FeatureDistance",
    "LPIPSLoss",
    "LazyR1",
    "PatchContextualLoss",
    "PathLengthPenalty",
    "Perceptual",
    "VGGPerceptualLoss",
    "build_contextual",
    "build_perceptual",
    "charbonnier_loss",
    "contextual_loss",
    "gram_matrix",
    "hinge_d_loss",
    "hinge_g_loss",
    "l1_loss",
    "logistic_d_loss",
    "logistic_g_loss",
    "logistic_terms",
    "mse_loss",
    "psnr_loss",
    "r1_penalty",
    "relativistic_d_loss",
    "relativistic_g_loss",
    "smooth_l1_loss",
    "style_loss",
    "unit_channels",
    "vanilla_d_loss",
    "vanilla_g_loss",
]
