"""GFP-GAN's training: the released `train_gfpgan_v1.yml`, its parts that need faces or their weights included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from methods.losses.components import PARTS, FaceBoxes, component_style, crop_parts
from methods.networks.gfpgan import GFPGAN, FacialComponentDiscriminator, GFPGANRestorer, fit_input
from methods.networks.images import signed, unsigned
from ugpnet.losses.adversarial import logistic_g_loss, vanilla_d_loss, vanilla_g_loss
from ugpnet.losses.discrimination import logistic_terms
from ugpnet.losses.perceptual import VGGPerceptualLoss
from ugpnet.losses.pixel import l1_loss
from ugpnet.recipe import Batch, Player, Recipe, Shared, Term

if TYPE_CHECKING:
    from methods.gfpgan import Training


class GFPGANRecipe(Recipe):
    """Generator first, then the discriminators on the detached output of the same forward pass. Images in [-1, 1].

    `perceptual` is VGG19's, on [-1, 1], or a distance of other features, on [0, 1]. What is None is left out; with
    `boxes`, eyes and mouth are judged too.
    """

    def __init__(
        self, generator: GFPGAN, discriminator: nn.Module, training: Training,
        perceptual: nn.Module | None = None, identity: nn.Module | None = None, boxes: FaceBoxes | None = None,
    ) -> None:  # fmt: skip
        judges = {} if boxes is None else {part: FacialComponentDiscriminator() for part in PARTS}
        players = (
            Player("generator", ("generator",), training.g_optim),
            Player("discriminator", ("discriminator",), training.d_optim),
            *(Player(part, (part,), training.component_optim) for part in judges),
        )
        networks = {"generator": generator, "discriminator": discriminator, **judges}
        super().__init__(networks, players, average={"generator": training.average})
        generator.stylegan_decoder.requires_grad_(not training.fix_decoder)
        self.perceptual = perceptual
        self.identity = identity
        self.boxes = boxes
        self.config = training

    @property
    def _gfpgan(self) -> GFPGAN:
        return cast(GFPGAN, self.networks["generator"])

    def forward(self, batch: Batch, step: int) -> Shared:
        restored, pyramid = self._gfpgan.restore(fit_input(batch.lq, self._gfpgan))
        gt = signed(batch.gt)
        shared = {"restored": restored, "pyramid": pyramid, "gt": gt}
        if self.boxes is None:
            return shared
        corners = self.boxes.corners(batch)
        return {**shared, "restored_parts": crop_parts(restored, corners), "gt_parts": crop_parts(gt, corners)}

    def losses(self, player: str, batch: Batch, shared: Shared, step: int) -> Mapping[str, Term]:
        if player == "generator":
            return self._generator(shared, step)
        if player == "discriminator":
            fake, judge = shared["restored"].detach(), self.networks["discriminator"]
            return logistic_terms(judge, shared["gt"], fake, self.config, step)
        judge, real, fake = self.networks[player], shared["gt_parts"][player], shared["restored_parts"][player]
        return {"d": Term(1.0, vanilla_d_loss(judge(real), judge(fake.detach())))}

    def _generator(self, shared: Shared, step: int) -> Mapping[str, Term]:
        config, restored, gt = self.config, shared["restored"], shared["gt"]
        terms = {"l1": Term(config.pixel_weight, l1_loss(restored, gt))}
        if step < config.pyramid_until:
            terms["pyramid"] = Term(config.pyramid_weight, pyramid_loss(shared["pyramid"], gt))
        terms |= self._perceptual(restored, gt)
        terms["adv"] = Term(config.gan_weight, logistic_g_loss(self.networks["discriminator"](restored)))
        if self.boxes is not None:
            terms |= self._components(shared["restored_parts"], shared["gt_parts"])
        if self.identity is not None:
            terms["identity"] = Term(config.identity_weight, self.identity(restored, gt))
        return terms

    def _perceptual(self, restored: Tensor, gt: Tensor) -> dict[str, Term]:
        config = self.config
        if self.perceptual is None:
            return {}
        if isinstance(self.perceptual, VGGPerceptualLoss):
            values = self.perceptual(restored, gt)
            weights = {"perceptual": config.perceptual_weight, "style": config.style_weight}
            return {name: Term(weight, values[name]) for name, weight in weights.items()}
        distance = self.perceptual(unsigned(restored), unsigned(gt))
        return {f"feature_distance({config.perceptual})": Term(config.perceptual_weight, distance)}

    def _components(self, restored: Mapping[str, Tensor], gt: Mapping[str, Tensor]) -> dict[str, Term]:
        config, terms, styles = self.config, {}, []
        for part in PARTS:
            judge = cast(FacialComponentDiscriminator, self.networks[part])
            logits, found = judge.discriminate(restored[part])
            with torch.no_grad():
                wanted = judge.discriminate(gt[part])[1]
            terms[f"adv_{part}"] = Term(config.component_gan_weight, vanilla_g_loss(logits))
            styles.append(component_style(found, wanted))
        return {**terms, "component_style": Term(config.component_style_weight, torch.stack(styles).sum())}

    def restore(self, lq: Tensor) -> Tensor:
        restored: Tensor = GFPGANRestorer(self._gfpgan)(lq)
        return restored


def pyramid_loss(pyramid: list[Tensor], gt: Tensor) -> Tensor:
    """Sum over the levels of the L1 distance to the ground truth, halved bilinearly level by level."""
    losses = []
    for image in reversed(pyramid):
        losses.append(l1_loss(image, gt))
        gt = F.interpolate(gt, scale_factor=0.5, mode="bilinear", align_corners=False)
    return torch.stack(losses).sum()
