"""UGPNet's three trainings (paper, Sec. 3.4), one after the other; defaults are the released code's.

Stage 1, restoration, is `ugpnet.regression.RegressionRecipe` on the restoration module (direct networks skip it).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn
from typing_extensions import Self

from ugpnet.augmentation import augment_together
from ugpnet.fusion import FusionModule
from ugpnet.losses.adversarial import logistic_g_loss
from ugpnet.losses.discrimination import logistic_terms
from ugpnet.losses.pixel import l1_loss
from ugpnet.model import UGPNet
from ugpnet.nn.regressor import Regressor
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term
from ugpnet.settings import FusionTraining, SynthesisTraining
from ugpnet.synthesis import SynthesisModule
from ugpnet.warm_start import start_fusion


class SynthesisRecipe(Recipe):
    """Stage 2. One forward pass serves both players, the discriminator first: the encoder's batch norms see it once."""

    def __init__(self, restoration: nn.Module, synthesis: SynthesisModule, discriminator: nn.Module,
                 perceptual: nn.Module, training: SynthesisTraining) -> None:  # fmt: skip
        players = (
            Player("discriminator", ("discriminator",), training.d_optim),
            Player("synthesis", ("synthesis",), training.optim),
        )
        super().__init__({"synthesis": synthesis, "discriminator": discriminator}, players)
        self.restoration = frozen(restoration)
        self.perceptual = perceptual
        self.config = training

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.restoration.eval()
        return self

    def forward(self, batch: Batch, step: int) -> Shared:
        with torch.no_grad():
            x_reg: Tensor = self.restoration(batch.lq)
        gt = batch.gt
        if self.config.augment:
            x_reg, gt = augment_together((x_reg, gt), step, batch.generator)
        return {"x_syn": self.networks["synthesis"](x_reg), "gt": gt}

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        if player == "discriminator":
            return logistic_terms(self._judge, shared["gt"], shared["x_syn"].detach(), self.config, step)
        return self._synthesis(shared["x_syn"], shared["gt"])

    def _synthesis(self, x_syn: Tensor, gt: Tensor) -> Mapping[str, Term]:
        config = self.config
        return {
            "l1": Term(1.0, l1_loss(x_syn, gt)),
            config.perceptual.label: Term(config.lambda_per, self.perceptual(x_syn, gt)),
            "adv": Term(config.lambda_adv, logistic_g_loss(self._judge(x_syn))),
        }

    def _judge(self, images: Tensor) -> Tensor:
        low, high = self.config.discriminator_range
        logits: Tensor = self.networks["discriminator"](low + (high - low) * images)
        return logits

    def restore(self, lq: Tensor) -> Tensor:
        x_syn: Tensor = self.networks["synthesis"](self.restoration(lq))
        return x_syn


class FusionRecipe(Recipe):
    """Stage 3. Only the fusion module of `model` learns; restoration and synthesis stay as they are, in eval mode."""

    def __init__(self, model: UGPNet, perceptual: nn.Module, contextual: nn.Module, training: FusionTraining) -> None:
        super().__init__({"fusion": model.fusion}, (Player("fusion", ("fusion",), training.optim),))
        if training.init == "restoration":
            side = model.config.generator.out_size // cast(Regressor, model.restoration).scale
            start_fusion(model.fusion, model.restoration, model.config.fuse, torch.zeros(1, 3, side, side))
        self.restoration = frozen(model.restoration)
        self.synthesis = frozen(model.synthesis)
        self.fuses = model.config.fuse
        self.perceptual = perceptual
        self.contextual = contextual
        self.config = training

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        self.restoration.eval()
        self.synthesis.eval()
        return self

    def forward(self, batch: Batch, step: int) -> Shared:
        x_hat, x_syn = self._fuse(batch.lq)
        return {"x_hat": x_hat, "x_syn": x_syn}

    def _fuse(self, lq: Tensor) -> tuple[Tensor, Tensor]:
        with torch.no_grad():
            x_reg, f_reg = cast(Regressor, self.restoration).both(lq)
            x_syn, f_syn = cast(SynthesisModule, self.synthesis).both(x_reg)
        fusion = cast(FusionModule, self.networks["fusion"])
        return fusion(f_syn, f_reg) if self.fuses == "features" else fusion(x_syn, x_reg), x_syn

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        config, x_hat = self.config, shared["x_hat"]
        terms = {"l1": Term(1.0, l1_loss(x_hat, batch.gt))}
        if config.lambda_per:
            terms[config.perceptual.label] = Term(config.lambda_per, self.perceptual(x_hat, batch.gt))
        if config.lambda_cf:
            terms["contextual"] = Term(config.lambda_cf, self.contextual(x_hat, shared["x_syn"]))
        return terms

    def restore(self, lq: Tensor) -> Tensor:
        return self._fuse(lq)[0]


def frozen(module: nn.Module) -> nn.Module:
    """The module in eval mode, none of its parameters asking for gradients."""
    return module.requires_grad_(False).eval()
